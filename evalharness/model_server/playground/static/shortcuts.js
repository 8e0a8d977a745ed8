"use strict";
// Keyboard shortcuts of the playground. Each does what a control on the page does, too.
(function (app) {
  const { h } = app;
  const SHORTCUTS = [
    ["Ctrl+Enter", "Race, from inside the prompt"],
    ["r", "Race"],
    ["space", "Play or pause"],
    ["← →", "Step back or forward"],
    ["Home End", "To the start or the end"],
    ["s", "Save the race as a file"],
    ["l", "Copy a link to the race"],
    ["e", "Edit the prompt"],
    ["d", "Light or dark colours"],
    ["Esc", "Stop, or leave the field"],
    ["?", "This help"],
  ];

  function showHelp() {
    const close = h("button", { type: "button", autofocus: true }, "Close");
    const rows = SHORTCUTS.map(([keys, action]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, action)]);
    const dialog = h("dialog.keys", { "aria-labelledby": "keys-title" }, h("h2", { id: "keys-title" }, "Keyboard shortcuts"), h("dl", {}, rows), close);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  /** Adds the shortcuts of the page: `actions` by key. */
  app.pageKeys = function (player, actions) {
    app.playerKeys(player);
    document.getElementById("keys-button").addEventListener("click", showHelp);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return actions.r();
      if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
      const inField = event.target.matches?.("input, select, textarea");
      if (event.key === "Escape") return inField ? event.target.blur() : actions.Escape();
      const action = { ...actions, d: app.toggleTheme, "?": showHelp }[event.key];
      if (inField || !action) return;
      event.preventDefault();
      action();
    });
  };
})(window.evalharness);
