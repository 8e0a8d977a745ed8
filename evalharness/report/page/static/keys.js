"use strict";
// Keys for those who want them; each does what a control on the page does too. They can be turned off.
(function (app) {
  const { h } = app;
  const KEY = "evalharness-keys";
  const SHORTCUTS = [
    ["j, ↓", "next sample", "j"],
    ["k, ↑", "previous sample", "k"],
    ["/", "search", "/"],
    ["t", "denoising; then ← → Home End and space", "t"],
    ["Esc", "leave the search, or go back to the run"],
    ["g", "overview", "g"],
    ["d", "light or dark", "d"],
    ["?", "these keys", "?"],
  ];

  let on = true;
  try {
    on = localStorage.getItem(KEY) !== "off";
  } catch {
    // a browser may refuse storage to files
  }

  function help() {
    const box = h("input", { type: "checkbox" });
    box.checked = on;
    box.addEventListener("change", () => {
      on = box.checked;
      try {
        localStorage.setItem(KEY, on ? "on" : "off");
      } catch {
        // then it lasts as long as the page
      }
    });
    const rows = SHORTCUTS.map(([keys, what]) => [
      h(
        "dt",
        {},
        keys.split(", ").map((key) => h("kbd", {}, key)),
      ),
      h("dd", {}, what),
    ]);
    const close = h("button", { type: "button", autofocus: true }, "Close");
    const dialog = h(
      "dialog.keys",
      { "aria-labelledby": "keys-title" },
      h("h2", { id: "keys-title" }, "Keys"),
      h("dl", {}, rows),
      h("label.check", {}, box, "Single keys are on"),
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
    "?": help,
  };

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target;
    const writing = target.matches?.("input, select, textarea");
    if (event.key === "Escape") {
      if (writing) target.blur();
      else app.closeSample();
      return;
    }
    const inRows = target.matches?.(".row");
    const arrow = inRows && { ArrowDown: actions.j, ArrowUp: actions.k }[event.key];
    const action = arrow || (on && !writing && Object.hasOwn(actions, event.key) && actions[event.key]);
    if (!action) return;
    event.preventDefault();
    action();
  });

  document.getElementById("keys-button").addEventListener("click", help);
})(window.evalharness);
