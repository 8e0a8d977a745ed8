"use strict";
// Keyboard shortcuts. Each does what a control on the page does, too. Single-key shortcuts can be turned off.
(function (app) {
  const { h } = app;
  const STORAGE_KEY = "evalharness-keys";
  const SHORTCUTS = [
    ["j, ↓", "Next sample"],
    ["k, ↑", "Previous sample"],
    ["/", "Search"],
    ["t", "Denoising trace; then ← → Home End and space"],
    ["Esc", "Leave the search field, or go back to the run"],
    ["g", "Overview"],
    ["d", "Light or dark colours"],
    ["?", "This help"],
  ];

  let enabled = true;
  try {
    enabled = localStorage.getItem(STORAGE_KEY) !== "off";
  } catch {
    // A browser may refuse storage to pages from the disk.
  }

  function showHelp() {
    const box = h("input", { type: "checkbox" });
    box.checked = enabled;
    box.addEventListener("change", () => {
      enabled = box.checked;
      try {
        localStorage.setItem(STORAGE_KEY, enabled ? "on" : "off");
      } catch {
        // The setting then applies until the page is closed.
      }
    });
    const rows = SHORTCUTS.map(([keys, action]) => [
      h(
        "dt",
        {},
        keys.split(", ").map((key) => h("kbd", {}, key)),
      ),
      h("dd", {}, action),
    ]);
    const close = h("button", { type: "button", autofocus: true }, "Close");
    const dialog = h(
      "dialog.keys",
      { "aria-labelledby": "keys-title" },
      h("h2", { id: "keys-title" }, "Keyboard shortcuts"),
      h("dl", {}, rows),
      h("label.check", {}, box, "Enable single-key shortcuts"),
      close,
    );
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  const actions = {
    j: () => app.moveInList(1),
    k: () => app.moveInList(-1),
    "/": () => document.getElementById("search")?.focus(),
    t: () => {
      const player = document.querySelector(".trace");
      player?.scrollIntoView({ block: "center" });
      player?.focus({ preventScroll: true });
    },
    g: () => (location.hash = "#/"),
    d: () => app.toggleTheme(),
    "?": showHelp,
  };

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target;
    const inField = target.matches?.("input, select, textarea");
    if (event.key === "Escape") {
      if (inField) target.blur();
      else app.closeSample();
      return;
    }
    const inRow = target.matches?.(".row");
    const arrow = inRow && { ArrowDown: actions.j, ArrowUp: actions.k }[event.key];
    const action = arrow || (enabled && !inField && Object.hasOwn(actions, event.key) && actions[event.key]);
    if (!action) return;
    event.preventDefault();
    action();
  });

  document.getElementById("keys-button").addEventListener("click", showHelp);
})(window.evalharness);
