"use strict";
// A virtual list: only the visible rows are elements. It scrolls with its parent or with the page.
(function (app) {
  const { h } = app;
  const EXTRA_ROWS = 8; // rows above and below the visible part that exist, too

  /** Returns a list. `render(item, index)` makes the row of an item; every row is `height` pixels tall. */
  app.virtualList = function (label, height, render) {
    const list = h("ul.rows", { "aria-label": label });
    let items = [];
    let drawn = [0, 0];

    function visibleRange() {
      const bounds = list.getBoundingClientRect();
      const frame = list.parentElement?.getBoundingClientRect() ?? bounds;
      const top = Math.max(0, frame.top, 0);
      const bottom = Math.min(window.innerHeight, Math.max(frame.bottom, top));
      const first = Math.floor((top - bounds.top) / height) - EXTRA_ROWS;
      const end = Math.ceil((bottom - bounds.top) / height) + EXTRA_ROWS;
      return [Math.min(Math.max(0, first), items.length), Math.min(Math.max(0, end), items.length)];
    }

    function draw(force) {
      const [first, end] = visibleRange();
      if (!force && first === drawn[0] && end === drawn[1]) return;
      const focused = list.contains(document.activeElement) ? document.activeElement.closest("li")?.ariaPosInSet : null;
      drawn = [first, end];
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
      set(newItems) {
        items = newItems;
        list.style.height = `${items.length * height}px`;
        draw(true);
      },
      redraw: () => draw(true),
      /** Scrolls as little as possible to make a row visible, and moves the focus to it if `focus` is set. */
      show(index, focus) {
        const scroller = list.parentElement;
        const bounds = scroller.getBoundingClientRect();
        if (scroller.scrollHeight > scroller.clientHeight + 1 && bounds.height) {
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
