"use strict";
// Tables that sort by their headings, and rates drawn as a number above its 95 % interval.
(function (app) {
  const { h, format } = app;

  /** Returns the value by which a cell is sorted: its `data-sort` or `data-key`, otherwise its text. */
  function sortValue(row, index) {
    const cell = row.cells[index];
    if (!cell) return "";
    const text = (cell.dataset.sort ?? cell.dataset.key ?? cell.textContent).trim();
    const number = Number(text.replace(/[%,]/g, ""));
    return text !== "" && Number.isFinite(number) ? number : text;
  }

  const isAbsent = (value) => value === "" || value === "-" || value === "–";

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return a.localeCompare(b, "en", { numeric: true });
  }

  function sortRows(table, index, descending) {
    for (const body of table.tBodies) {
      const rows = [...body.rows].map((row, position) => ({ row, position, value: sortValue(row, index) }));
      rows.sort((a, b) => {
        const absentLast = isAbsent(a.value) - isAbsent(b.value);
        const order = isAbsent(a.value) || isAbsent(b.value) ? 0 : compare(a.value, b.value);
        return absentLast || (descending ? -order : order) || a.position - b.position;
      });
      body.append(...rows.map(({ row }) => row)); // Absent values are last in either order.
    }
  }

  /** Makes each heading of the table a button that sorts by its column, numbers in descending order first. */
  app.sortable = function (table) {
    const headings = [...(table.tHead?.rows ?? [])].at(-1)?.cells ?? [];
    for (const heading of headings) {
      const button = heading.querySelector("button") ?? h("button", { type: "button" }, ...heading.childNodes);
      button.classList.add("sort");
      if (!button.parentNode) heading.append(button);
      button.addEventListener("click", () => {
        const index = heading.cellIndex;
        const value = table.tBodies[0]?.rows.length
          ? [...table.tBodies[0].rows].map((row) => sortValue(row, index)).find((rowValue) => !isAbsent(rowValue))
          : "";
        const first = typeof value === "number" ? "descending" : "ascending";
        const second = first === "ascending" ? "descending" : "ascending";
        const order = heading.getAttribute("aria-sort") === first ? second : first;
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", order);
        sortRows(table, index, order === "descending");
        app.announce(`Sorted by ${button.textContent}, ${order}`);
      });
    }
    return table;
  };

  /** Returns a frame in which a table that is wider than the page scrolls, also by keyboard. */
  app.scrollFrame = (label, table, fit) =>
    h(fit ? "div.wide.fit" : "div.wide", { tabindex: "0", role: "region", "aria-label": label }, table);

  /** Returns a cell with a rate, [value, low, high], above its interval. */
  app.rateCell = function (rate, href) {
    if (!rate) return h("td.rate.none", { "data-sort": "" }, "–");
    const [value, low, high] = rate;
    const scale = h("span.scale", { "aria-hidden": "true" }, h("span.range"), h("span.point"));
    scale.children[0].style.left = `${100 * low}%`;
    scale.children[0].style.width = `${100 * (high - low)}%`;
    scale.children[1].style.left = `${100 * value}%`;
    const text = [
      format.percent(value),
      h("span.unseen", {}, ", 95 % confidence interval "),
      h("small", {}, format.interval(low, high)),
    ];
    const figure = h("span.figure", {}, ...text);
    return h("td.rate", { "data-sort": value }, href ? h("a", { href }, figure) : figure, scale);
  };

  app.numberCell = (value, show) =>
    value === null || value === undefined
      ? h("td.number.none", { "data-sort": "" }, "–")
      : h("td.number", { "data-sort": value }, show(value));
})(window.evalharness);
