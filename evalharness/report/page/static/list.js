"use strict";
// A list of any length: only the rows on view are elements. It scrolls with whatever scrolls around it.
(function (app) {
  const { h } = app;
  const SPARE = 8; // rows kept ready above and below the view

  /** `render(item, index)` makes the row of an item; every row is `height` pixels tall. */
  app.longList = function (label, height, render) {
    const list = h("ul.rows", { "aria-label": label });
    let items = [];
    let shown = [0, 0];

    function view() {
      const box = list.getBoundingClientRect();
      const frame = list.parentElement?.getBoundingClientRect() ?? box;
      const top = Math.max(0, frame.top, 0);
      const bottom = Math.min(window.innerHeight, Math.max(frame.bottom, top));
      const first = Math.floor((top - box.top) / height) - SPARE;
      const end = Math.ceil((bottom - box.top) / height) + SPARE;
      return [Math.min(Math.max(0, first), items.length), Math.min(Math.max(0, end), items.length)];
    }

    function draw(anew) {
      const [first, end] = view();
      if (!anew && first === shown[0] && end === shown[1]) return;
      const focused = list.contains(document.activeElement) ? document.activeElement.closest("li")?.ariaPosInSet : null;
      shown = [first, end];
      const rows = items.slice(first, end).map((item, offset) => {
        const row = h(
          "li",
          { "aria-setsize": items.length, "aria-posinset": first + offset + 1 },
          render(item, first + offset),
        );
        row.style.top = `${(first + offset) * height}px`;
        return row;
      });
      list.replaceChildren(...rows);
      if (focused) list.querySelector(`[aria-posinset="${focused}"] a`)?.focus({ preventScroll: true });
    }

    const onScroll = () => (list.isConnected ? draw(false) : stop());
    const stop = () => {
      document.removeEventListener("scroll", onScroll, true);
      window.removeEventListener("resize", onScroll);
    };
    document.addEventListener("scroll", onScroll, { capture: true, passive: true });
    window.addEventListener("resize", onScroll);

    return {
      element: list,
      set(wanted) {
        items = wanted;
        list.style.height = `${items.length * height}px`;
        draw(true);
      },
      redraw: () => draw(true),
      /** Brings a row into view, with as little movement as can be. */
      show(index, focus) {
        const scroller = list.parentElement;
        const box = scroller.getBoundingClientRect();
        if (scroller.scrollHeight > scroller.clientHeight + 1 && box.height) {
          const top = index * height;
          if (top < scroller.scrollTop) scroller.scrollTop = top;
          else if (top + height > scroller.scrollTop + scroller.clientHeight)
            scroller.scrollTop = top + height - scroller.clientHeight;
        }
        draw(true);
        if (focus) list.querySelector(`[aria-posinset="${index + 1}"] a`)?.focus();
      },
    };
  };
})(window.evalharness);
