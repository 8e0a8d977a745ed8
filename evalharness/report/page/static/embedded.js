"use strict";
// Adds interaction to the frontier's drawing and to the leaderboard's tables, which are part of index.html.
(function (app) {
  const { h } = app;
  const MAX_ROWS = 20; // A table with more rows scrolls in a frame.
  const BROAD_POINTS = 800; // A drawing that is wider has several panels side by side.

  /** Returns a note that is shown beside the marker under the pointer or in focus. */
  function makeNote(texts) {
    const box = h("div.point-note", { role: "status", hidden: true });
    const show = (marker, x, y) => {
      box.textContent = app.visible(texts.get(marker.id) ?? "");
      box.hidden = false;
      box.style.left = `${Math.max(4, Math.min(x + 14, window.innerWidth - box.offsetWidth - 8))}px`;
      box.style.top = `${Math.max(4, Math.min(y + 14, window.innerHeight - box.offsetHeight - 8))}px`;
    };
    const hide = () => (box.hidden = true);
    return { box, show, hide };
  }

  /** Returns the frontier, with a second drawing for narrow windows. The pointer or Tab selects a point and shows its note. */
  app.frontier = function (report) {
    const drawing = app.template("frontier");
    if (!drawing) return null;
    const texts = new Map(report.notes);
    const { box, show, hide } = makeNote(texts);
    for (const [id, text] of texts) {
      const marker = drawing.querySelector(`#${id}`);
      if (!marker) continue;
      marker.classList.add("point-mark");
      marker.setAttribute("tabindex", "0");
      marker.setAttribute("role", "img");
      marker.setAttribute("aria-label", text);
      marker.addEventListener("pointermove", (event) => show(marker, event.clientX, event.clientY));
      marker.addEventListener("pointerleave", hide);
      marker.addEventListener("focus", () => {
        const bounds = marker.getBoundingClientRect();
        show(marker, bounds.right, bounds.bottom);
      });
      marker.addEventListener("blur", hide);
      marker.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    }
    for (const svg of drawing.querySelectorAll("svg")) svg.style.setProperty("--natural", svg.getAttribute("width"));
    const broad = parseFloat(drawing.querySelector("svg").getAttribute("width")) > BROAD_POINTS;
    const frame = h(
      broad ? "div.drawing.broad" : "div.drawing",
      { tabindex: "0", role: "region", "aria-label": "Frontier" },
      drawing,
    );
    return h("div", {}, frame, box);
  };

  /** Returns the leaderboard with sortable tables. */
  app.leaderboard = function () {
    const tables = app.template("leaderboard");
    if (!tables) return null;
    tables.className = "leaderboard";
    tables.querySelectorAll("h2").forEach((heading) => heading.replaceWith(h("h3", {}, heading.textContent)));
    for (const table of tables.querySelectorAll("table")) {
      app.sortable(table);
      if (table.tBodies[0].rows.length > MAX_ROWS) table.parentElement.classList.add("tall");
    }
    return tables;
  };
})(window.evalharness);
