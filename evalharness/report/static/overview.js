"use strict";
// What is known of runs as a whole: the first page, and the pane of a run.
(function (app) {
  const { h, format } = app;

  const part = (title, note, ...content) => h("section.part", {}, h("h2", {}, title), note && h("p.lead", {}, note), ...content);

  function statusStrip(run) {
    const total = run.statuses.reduce((sum, [, count]) => sum + count, 0) || 1;
    const strip = h("span.strip", { role: "img", "aria-label": run.statuses.map(([status, count]) => `${count} ${status}`).join(", ") });
    for (const [status, count] of run.statuses) {
      const piece = h(`span.${status}`, { title: `${format.count(count)} ${status}` });
      piece.style.flexGrow = count / total;
      strip.append(piece);
    }
    return strip;
  }

  const rate = (run, name) => run.rates.find((each) => each[0] === name)?.slice(1);

  function runRow(run) {
    const size = run.problems < run.problems_of_task ? `${format.count(run.problems)} of ${format.count(run.problems_of_task)} problems` : "";
    const missing = run.asked - run.samples;
    return h(
      "tr",
      {},
      h("th", { scope: "row", "data-sort": run.task }, h("a", { href: app.runLink(run.name) }, run.task), h("small", {}, run.conditions)),
      h("td", { "data-sort": format.model(run) }, h("span", { title: run.model }, format.model(run)), format.model(run) !== run.backend && h("small", {}, run.backend)),
      app.rateCell(rate(run, "pass@1"), null),
      app.numberCell(run.speed?.output_tokens_per_s, format.number),
      h("td.number", { "data-sort": run.samples }, format.count(run.samples), size && h("small", {}, size), missing > 0 && h("small.warning", {}, `${format.count(missing)} missing`)),
      h("td.strip-cell", { "data-sort": rate(run, "pass@1")?.[0] ?? "" }, statusStrip(run)),
    );
  }

  function runTable(runs) {
    const heads = ["Task", "Model", "pass@1", "tokens/s", "Samples", "Verdicts"];
    const classes = ["", "", ".number", ".number", ".number", ""];
    const table = h("table.runs", {}, h("thead", {}, h("tr", {}, heads.map((head, index) => h(`th${classes[index]}`, { scope: "col" }, head)))), h("tbody", {}, runs.map(runRow)));
    return app.wide("Runs", app.sortable(table));
  }

  /** Rates by kind of problem, as page_overview.py prepares them. A cell leads to the samples that it counts. */
  function breakdown(found, only) {
    const places = found.columns.map((column, place) => place).filter((place) => !only || found.columns[place].run === only);
    const heads = places.map((place) => h("th.number", { scope: "col", title: found.columns[place].detail }, only ? "pass@1" : found.columns[place].label));
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
    const table = h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, found.facet || "language"), h("th.number", { scope: "col" }, "Problems"), heads)), h("tbody", {}, rows));
    return app.wide(found.title, app.sortable(table), true);
  }

  function built(id) {
    const content = app.template(id);
    if (!content) return null;
    for (const table of content.matches("table") ? [content] : content.querySelectorAll("table")) app.sortable(table);
    return content.matches("table") ? app.wide(id, content) : content;
  }

  /** The first page. */
  app.showOverview = function (main, report) {
    const tasks = new Set(app.runs.map((run) => run.task));
    const frontier = built("frontier");
    const leaderboard = built("leaderboard");
    const samples = app.runs.reduce((sum, run) => sum + run.samples, 0);
    main.replaceChildren(
      h(
        "div.overview",
        {},
        h("h1", {}, "Speed and quality"),
        h("p.lead", {}, `${format.plural(app.runs.length, "run")} of ${format.plural(tasks.size, "task")}, ${format.plural(samples, "sample")}. Rates are pass@1 with 95 % intervals; what was not measured is absent.`),
        frontier && part("Frontier", null, frontier),
        leaderboard && part("Leaderboard", null, leaderboard),
        part("Runs", "Each leads to its problems: prompts, completions and verdicts.", runTable(app.runs)),
        h("div.breakdowns", {}, report.breakdowns.map((found) => part(found.title, null, breakdown(found)))),
      ),
    );
    document.body.dataset.ready = location.hash;
  };

  function speedFacts(speed) {
    const facts = [];
    const add = (name, value, show) => value !== undefined && facts.push([name, show(value)]);
    add("Tokens/s", speed.output_tokens_per_s, format.number);
    add("Tokens/s, one request", speed.output_tokens_per_s_per_request, format.number);
    add("Latency, median", speed.latency_s?.p50, format.seconds);
    add("Latency, p99", speed.latency_s?.p99, format.seconds);
    add("First output, median", speed.first_output_s?.p50, format.seconds);
    add("Output tokens", speed.output_tokens, format.count);
    return facts;
  }

  /** The pane of a run that no sample of is chosen. */
  app.runView = function (run, data) {
    const title = h("h2", {}, run.task);
    const facts = [...(run.model ? [["Model", format.model(run)]] : []), ["Backend", run.backend], ["Problems", format.count(run.problems)], ["Samples", format.count(run.samples)], ...speedFacts(run.speed || {})];
    const rates = h("table", {}, h("tbody", {}, run.rates.map(([name, ...found]) => h("tr", {}, h("th", { scope: "row" }, name), app.rateCell(found, null)))));
    const counts = h("p.chips", {}, run.statuses.map(([status, count]) => h("a.chip", { href: app.runLink(run.name, { status }) }, format.status(status), ` ${format.count(count)}`)));
    const toList = h("button.to-list", { type: "button", onclick: () => document.getElementById("search").scrollIntoView({ block: "start" }) }, "Problems ↓");
    const tables = app.report.breakdowns.filter((found) => found.facet && found.columns.some((column) => column.run === run.name));
    return h(
      "article.run",
      {},
      h("header.sample-head", {}, h("div.title", {}, title), toList),
      h("p.lead", {}, run.conditions),
      h("dl.facts", {}, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      run.no_prompts && h("p.notice", {}, `Prompts are not shown. ${run.no_prompts}`),
      run.rates.length > 0 && h("section.part", {}, h("h3", {}, "Rates"), app.wide("Rates", rates, true)),
      h("section.part", {}, h("h3", {}, "Verdicts"), statusStrip(run), counts),
      tables.map((found) => h("section.part", {}, h("h3", {}, `By ${found.facet}`), breakdown(found, run.name))),
      h("details.settings", {}, h("summary", {}, "Settings of the run"), h("dl", {}, run.settings.map(([place, value]) => [h("dt", {}, place), h("dd", {}, value)]))),
    );
  };
})(window.evalharness);
