"use strict";
// The first page: frontier, leaderboard, runs, and rates by kind of problem.
(function (app) {
  const { h, format } = app;
  const MAX_RUNS = 12; // A table with more runs scrolls in a frame and has a filter.

  const part = (title, note, ...content) =>
    h("section.part", {}, h("h2", {}, title), note && h("p.lead", {}, note), ...content);

  /** Returns the statuses of a run's samples as one bar. */
  app.statusBar = function (run) {
    const total = run.statuses.reduce((sum, [, count]) => sum + count, 0) || 1;
    const bar = h("span.strip", {
      role: "img",
      "aria-label": run.statuses.map(([status, count]) => `${count} ${status}`).join(", "),
    });
    for (const [status, count] of run.statuses) {
      const segment = h(`span.${status}`, { title: `${format.count(count)} ${status}` });
      segment.style.flexGrow = count / total;
      bar.append(segment);
    }
    return bar;
  };

  const rateOf = (run, name) => run.rates.find(([rateName]) => rateName === name)?.slice(1);

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
      app.rateCell(rateOf(run, "pass@1"), null),
      app.numberCell(run.speed?.output_tokens_per_s, format.number),
      h(
        "td.number",
        { "data-sort": run.samples },
        format.count(run.samples),
        run.shortfall && h("small.warning", {}, run.shortfall),
        run.answers.map((remark) => h("small.warning", {}, remark)),
      ),
      h("td.strip-cell", { "data-sort": rateOf(run, "pass@1")?.[0] ?? "" }, app.statusBar(run)),
    );
  }

  function runTable(runs) {
    const headings = ["Task", "Model", "pass@1", "tokens/s", "Samples", "Verdicts"];
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
          headings.map((heading, index) => h(`th${classes[index]}`, { scope: "col" }, heading)),
        ),
      ),
      h("tbody", {}, runs.map(runRow)),
    );
    const frame = app.scrollFrame("Runs", app.sortable(table));
    if (runs.length <= MAX_RUNS) return [frame];
    frame.classList.add("tall");
    return [runFilter(table, runs), frame];
  }

  /** Returns one table for each kind of data: rates on a sample are not comparable with those on a benchmark. */
  function runTables(runs) {
    const headings = [...new Set(runs.map((run) => run.data_heading))].sort();
    return headings.flatMap((heading) => [
      heading && h("h3", {}, heading),
      ...runTable(runs.filter((run) => run.data_heading === heading)),
    ]);
  }

  /** Returns a field that hides the runs whose task, model and settings do not contain all of its words. */
  function runFilter(table, runs) {
    const rows = [...table.tBodies[0].rows];
    const texts = runs.map((run) => `${run.task} ${run.label} ${run.backend} ${run.conditions}`.toLowerCase());
    const field = h("input.search", { type: "search", placeholder: "Filter runs", "aria-label": "Filter runs" });
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      rows.forEach((row, index) => (row.hidden = !words.every((word) => texts[index].includes(word))));
      app.announce(format.plural(rows.filter((row) => !row.hidden).length, "run"));
    });
    return h("p.run-search", {}, field);
  }

  /**
   * Returns a table of rates by kind of problem, from a `Breakdown` of report/page/breakdowns.py; `only` names the one
   * run to show. A cell links to the samples that it counts.
   */
  app.breakdownTable = function (breakdown, only) {
    const indices = breakdown.columns
      .map((column, index) => index)
      .filter((index) => !only || breakdown.columns[index].run === only);
    const headings = indices.map((index) =>
      h(
        "th.number",
        { scope: "col", title: breakdown.columns[index].detail },
        only ? "pass@1" : breakdown.columns[index].label,
      ),
    );
    const rows = breakdown.rows.map(({ kind, cells }) => {
      const problems = Math.max(...cells.filter(Boolean).map((cell) => cell[4]), 0);
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, kind),
        h("td.number", { "data-sort": problems }, format.count(problems)),
        indices.map((index) => {
          const cell = cells[index];
          const query = breakdown.facet ? { [`by-${breakdown.facet}`]: kind } : {};
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
          h("th", { scope: "col" }, breakdown.facet || "language"),
          h("th.number", { scope: "col" }, "Problems"),
          headings,
        ),
      ),
      h("tbody", {}, rows),
    );
    return app.scrollFrame(breakdown.title, app.sortable(table), true);
  };

  const embedded = (title, content, missing) => part(title, null, content || h("p.notice", {}, `${missing}.`));

  /** Shows the first page. */
  app.showOverview = function (main, report) {
    const tasks = new Set(app.runs.map((run) => run.task));
    const samples = app.runs.reduce((sum, run) => sum + run.samples, 0);
    const counts = [
      `${format.plural(app.runs.length, "run")} of ${format.plural(tasks.size, "task")}`,
      format.plural(samples, "sample"),
    ];
    main.replaceChildren(
      h(
        "div.overview",
        {},
        h("h1", {}, "Speed and quality"),
        h(
          "p.lead",
          {},
          `${counts.join(", ")}. Rates are pass@1 with 95 % confidence intervals. A dash means not measured.`,
        ),
        embedded("Frontier", app.frontier(report), report.missing.frontier),
        embedded("Leaderboard", app.leaderboard(), report.missing.leaderboard),
        part(
          "Runs",
          "A task's name links to its problems, with prompts, completions and verdicts.",
          ...runTables(app.runs),
        ),
        h(
          "div.breakdowns",
          {},
          report.breakdowns.map((breakdown) => part(breakdown.title, null, app.breakdownTable(breakdown))),
        ),
      ),
    );
    document.body.dataset.ready = location.hash;
  };
})(window.evalharness);
