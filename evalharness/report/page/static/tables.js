"use strict";
// Tables that sort by a click on a heading, and rates drawn as a number over its 95 % interval.
(function (app) {
  const { h, format } = app;

  /** The value that a cell is sorted by: its `data-sort`, else its text; numbers as numbers. */
  function sortValue(row, index) {
    const cell = row.cells[index];
    if (!cell) return "";
    const text = (cell.dataset.sort ?? cell.dataset.key ?? cell.textContent).trim();
    const number = Number(text.replace(/[%,]/g, ""));
    return text !== "" && Number.isFinite(number) ? number : text;
  }

  const absent = (value) => value === "" || value === "-" || value === "–";

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return a.localeCompare(b, "en", { numeric: true });
  }

  function sortBy(table, index, down) {
    for (const body of table.tBodies) {
      const rows = [...body.rows].map((row, place) => ({ row, place, value: sortValue(row, index) }));
      rows.sort((a, b) => {
        if (absent(a.value) || absent(b.value)) return absent(a.value) - absent(b.value) || a.place - b.place;
        return (down ? -1 : 1) * compare(a.value, b.value) || a.place - b.place;
      });
      body.append(...rows.map(({ row }) => row)); // what is absent stays last either way
    }
  }

  /** Makes each heading of the table a button that sorts by its column; numbers begin with the largest. */
  app.sortable = function (table) {
    const heads = [...(table.tHead?.rows ?? [])].at(-1)?.cells ?? [];
    for (const head of heads) {
      const button = head.querySelector("button") ?? h("button", { type: "button" }, ...head.childNodes);
      button.classList.add("sort");
      if (!button.parentNode) head.append(button);
      button.addEventListener("click", () => {
        const index = head.cellIndex;
        const value = table.tBodies[0]?.rows.length
          ? [...table.tBodies[0].rows].map((row) => sortValue(row, index)).find((each) => !absent(each))
          : "";
        const first = typeof value === "number" ? "descending" : "ascending";
        const order =
          head.getAttribute("aria-sort") === first ? (first === "ascending" ? "descending" : "ascending") : first;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", order);
        sortBy(table, index, order === "descending");
        app.announce(`Sorted by ${button.textContent}, ${order}`);
      });
    }
    return table;
  };

  /** A table that scrolls sideways by itself where it is wider than the page, also by keyboard. */
  app.wide = (label, table, fit) =>
    h(fit ? "div.wide.fit" : "div.wide", { tabindex: "0", role: "region", "aria-label": label }, table);

  /** Columns of the table are rates or numbers; `data-sort` holds the value. */
  app.rateCell = function (rate, href) {
    if (!rate) return h("td.rate.none", { "data-sort": "" }, "–");
    const [value, low, high] = rate;
    const bar = h("span.scale", { "aria-hidden": "true" }, h("span.range"), h("span.point"));
    bar.children[0].style.left = `${100 * low}%`;
    bar.children[0].style.width = `${100 * (high - low)}%`;
    bar.children[1].style.left = `${100 * value}%`;
    const text = [
      format.percent(value),
      h("span.unseen", {}, ", 95 % interval "),
      h("small", {}, format.interval(low, high)),
    ];
    const body = h("span.figure", {}, ...text);
    return h("td.rate", { "data-sort": value }, href ? h("a", { href }, body) : body, bar);
  };

  app.numberCell = (value, show) =>
    value === null || value === undefined
      ? h("td.number.none", { "data-sort": "" }, "–")
      : h("td.number", { "data-sort": value }, show(value));
})(window.evalharness);
