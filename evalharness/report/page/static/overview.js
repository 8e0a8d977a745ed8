"use strict";
// The first page: frontier, leaderboard, runs, and rates by kind of problem.
(function (app) {
  const { h, format } = app;
  const MANY = 12; // runs; more of them have a frame that scrolls, and a filter

  const part = (title, note, ...content) =>
    h("section.part", {}, h("h2", {}, title), note && h("p.lead", {}, note), ...content);

  /** The verdicts of a run as one bar. */
  app.statusStrip = function (run) {
    const total = run.statuses.reduce((sum, [, count]) => sum + count, 0) || 1;
    const strip = h("span.strip", {
      role: "img",
      "aria-label": run.statuses.map(([status, count]) => `${count} ${status}`).join(", "),
    });
    for (const [status, count] of run.statuses) {
      const piece = h(`span.${status}`, { title: `${format.count(count)} ${status}` });
      piece.style.flexGrow = count / total;
      strip.append(piece);
    }
    return strip;
  };

  const rate = (run, name) => run.rates.find((each) => each[0] === name)?.slice(1);

  function runRow(run) {
    return h(
      "tr",
      {},
      h(
        "th",
        { scope: "row", "data-sort": run.task },
        h("a", { href: app.runLink(run.name) }, run.task),
        h("small", {}, run.conditions),
      ),
      h(
        "td",
        { "data-sort": run.label },
        h("span", { title: run.model }, run.label),
        run.label !== run.backend && h("small", {}, run.backend),
      ),
      app.rateCell(rate(run, "pass@1"), null),
      app.numberCell(run.speed?.output_tokens_per_s, format.number),
      h(
        "td.number",
        { "data-sort": run.samples },
        format.count(run.samples),
        run.shortfall && h("small.warning", {}, run.shortfall),
      ),
      h("td.strip-cell", { "data-sort": rate(run, "pass@1")?.[0] ?? "" }, app.statusStrip(run)),
    );
  }

  function runTable(runs) {
    const heads = ["Task", "Model", "pass@1", "tokens/s", "Samples", "Verdicts"];
    const classes = ["", "", ".number", ".number", ".number", ""];
    const table = h(
      "table.runs",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head, index) => h(`th${classes[index]}`, { scope: "col" }, head)),
        ),
      ),
      h("tbody", {}, runs.map(runRow)),
    );
    const frame = app.wide("Runs", app.sortable(table));
    if (runs.length <= MANY) return [frame];
    frame.classList.add("tall");
    return [runSearch(table, runs), frame];
  }

  /** A table for each kind of data: rates on a sample stand apart from those on the benchmarks. */
  function runTables(runs) {
    const kinds = [...new Set(runs.map((run) => run.standing))].sort();
    return kinds.flatMap((kind) => [
      kind && h("h3", {}, kind),
      ...runTable(runs.filter((run) => run.standing === kind)),
    ]);
  }

  /** A field that leaves the runs whose task, model or settings hold each of its words. */
  function runSearch(table, runs) {
    const rows = [...table.tBodies[0].rows];
    const texts = runs.map((run) => `${run.task} ${run.label} ${run.backend} ${run.conditions}`.toLowerCase());
    const field = h("input.search", { type: "search", placeholder: "Filter runs", "aria-label": "Filter runs" });
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      rows.forEach((row, place) => (row.hidden = !words.every((word) => texts[place].includes(word))));
      app.announce(format.plural(rows.filter((row) => !row.hidden).length, "run"));
    });
    return h("p.run-search", {}, field);
  }

  /** Rates by kind of problem, as page_overview.py prepares them. A cell leads to the samples that it counts. */
  app.breakdown = function (found, only) {
    const places = found.columns
      .map((column, place) => place)
      .filter((place) => !only || found.columns[place].run === only);
    const heads = places.map((place) =>
      h(
        "th.number",
        { scope: "col", title: found.columns[place].detail },
        only ? "pass@1" : found.columns[place].label,
      ),
    );
    const rows = found.rows.map(({ kind, cells }) => {
      const problems = Math.max(...cells.filter(Boolean).map((cell) => cell[4]), 0);
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, kind),
        h("td.number", { "data-sort": problems }, format.count(problems)),
        places.map((place) => {
          const cell = cells[place];
          const query = found.facet ? { [`by-${found.facet}`]: kind } : {};
          return app.rateCell(cell?.slice(1, 4), cell && app.runLink(cell[0], query));
        }),
      );
    });
    const table = h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, found.facet || "language"),
          h("th.number", { scope: "col" }, "Problems"),
          heads,
        ),
      ),
      h("tbody", {}, rows),
    );
    return app.wide(found.title, app.sortable(table), true);
  };

  const picture = (title, content, missing) => part(title, null, content || h("p.notice", {}, `${missing}.`));

  /** The first page. */
  app.showOverview = function (main, report) {
    const tasks = new Set(app.runs.map((run) => run.task));
    const samples = app.runs.reduce((sum, run) => sum + run.samples, 0);
    main.replaceChildren(
      h(
        "div.overview",
        {},
        h("h1", {}, "Speed and quality"),
        h(
          "p.lead",
          {},
          `${format.plural(app.runs.length, "run")} of ${format.plural(tasks.size, "task")}, ${format.plural(samples, "sample")}. Rates are pass@1 with 95 % intervals; what was not measured is absent.`,
        ),
        picture("Frontier", app.frontier(report), report.missing.frontier),
        picture("Leaderboard", app.leaderboard(), report.missing.leaderboard),
        part("Runs", "Each leads to its problems: prompts, completions and verdicts.", ...runTables(app.runs)),
        h(
          "div.breakdowns",
          {},
          report.breakdowns.map((found) => part(found.title, null, app.breakdown(found))),
        ),
      ),
    );
    document.body.dataset.ready = location.hash;
  };
})(window.evalharness);
