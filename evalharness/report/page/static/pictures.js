"use strict";
// The frontier's drawing and the leaderboard's tables, as they were made at build time, with what is alive in them.
(function (app) {
  const { h } = app;
  const MANY = 20; // rows; a table of more scrolls in a frame
  const BROAD = 800; // points; a drawing of several panels side by side

  /** A note beside the mark under pointer or focus. */
  function noteBox(texts) {
    const box = h("div.point-note", { role: "status", hidden: true });
    const show = (mark, x, y) => {
      box.textContent = texts.get(mark.id);
      box.hidden = false;
      box.style.left = `${Math.max(4, Math.min(x + 14, window.innerWidth - box.offsetWidth - 8))}px`;
      box.style.top = `${Math.max(4, Math.min(y + 14, window.innerHeight - box.offsetHeight - 8))}px`;
    };
    const hide = () => (box.hidden = true);
    return { box, show, hide };
  }

  /** The frontier: each point of it can be pointed at or reached by Tab, and says what it is. */
  app.frontier = function (report) {
    const drawing = app.template("frontier");
    if (!drawing) return null;
    const texts = new Map(report.notes);
    const { box, show, hide } = noteBox(texts);
    for (const [id, text] of texts) {
      const mark = drawing.querySelector(`#${id}`);
      if (!mark) continue;
      mark.classList.add("point-mark");
      mark.setAttribute("tabindex", "0");
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-label", text);
      mark.addEventListener("pointermove", (event) => show(mark, event.clientX, event.clientY));
      mark.addEventListener("pointerleave", hide);
      mark.addEventListener("focus", () => {
        const place = mark.getBoundingClientRect();
        show(mark, place.right, place.bottom);
      });
      mark.addEventListener("blur", hide);
      mark.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    }
    const svg = drawing.querySelector("svg");
    svg.style.setProperty("--natural", svg.getAttribute("width"));
    const broad = parseFloat(svg.getAttribute("width")) > BROAD;
    const frame = h(
      broad ? "div.drawing.broad" : "div.drawing",
      { tabindex: "0", role: "region", "aria-label": "Frontier" },
      drawing,
    );
    return h("div", {}, frame, box);
  };

  /** The leaderboard: each table sorts. */
  app.leaderboard = function () {
    const tables = app.template("leaderboard");
    if (!tables) return null;
    tables.className = "leaderboard";
    tables.querySelectorAll("h2").forEach((heading) => heading.replaceWith(h("h3", {}, heading.textContent)));
    for (const table of tables.querySelectorAll("table")) {
      app.sortable(table);
      if (table.tBodies[0].rows.length > MANY) table.parentElement.classList.add("tall");
    }
    return tables;
  };
})(window.evalharness);
