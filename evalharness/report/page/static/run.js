"use strict";
// The pane of a run while no sample is selected: its rates, verdicts, speed and settings.
(function (app) {
  const { h, format } = app;

  function speedFacts(speed) {
    const facts = [];
    const add = (name, value, show) => value !== undefined && facts.push([name, show(value)]);
    const interval = (speed.output_tokens_per_s_ci95 || []).map(format.number).join("–");
    add("Tokens/s", speed.output_tokens_per_s, (value) => format.number(value) + (interval && ` (${interval})`));
    add("Tokens/s, steady window", speed.steady?.output_tokens_per_s, format.number);
    add("Tokens/s per request, median", speed.output_tokens_per_s_per_request, format.number);
    add("Tokens/s, common tokenizer", speed.common_tokens_per_s, format.number);
    add("End-to-end latency, median", speed.latency_s?.p50, format.seconds);
    add("End-to-end latency, p99", speed.latency_s?.p99, format.seconds);
    add("TTFT, median", speed.first_output_s?.p50, format.seconds);
    add("TPOT, median", speed.time_per_output_token_s?.p50, format.seconds);
    add("Tokens per forward pass", speed.tokens_per_forward, format.number);
    add("Prefill, share of time", speed.prefill_share, format.percent);
    add("Output tokens", speed.output_tokens, format.count);
    add("Requests", speed.requests, format.count);
    add("Warm-up requests, excluded", speed.warmup_requests || undefined, format.count);
    return facts;
  }

  const part = (title, ...content) => h("section.part", {}, h("h2", {}, title), ...content);

  function rateTable(run) {
    const rows = run.rates.map(([name, ...rate]) =>
      h("tr", {}, h("th", { scope: "row" }, name), app.rateCell(rate, null)),
    );
    return app.scrollFrame("Rates", h("table", {}, h("tbody", {}, rows)), true);
  }

  function settings(run) {
    const list = h("dl", {});
    const details = h("details.settings", {}, h("summary", {}, "Settings of the run"), list);
    const show = async () => {
      const lines = await app.load(`${run.name}/settings`);
      list.replaceChildren(...lines.flatMap(([path, value]) => [h("dt", {}, path), h("dd", {}, value)]));
    };
    details.addEventListener("toggle", () => show().catch((error) => app.announce(error.message)), { once: true });
    return details;
  }

  /** Returns the pane. */
  app.runView = function (run) {
    const toList = () => document.getElementById("search").scrollIntoView({ block: "start" });
    const facts = [
      ["Model", run.label],
      ["Backend", run.backend],
      ["Problems", format.count(run.problems)],
      ["Samples", format.count(run.samples)],
    ];
    const counts = run.statuses.map(([status, count]) =>
      h("a.chip", { href: app.runLink(run.name, { status }) }, format.status(status), ` ${format.count(count)}`),
    );
    const breakdowns = app.report.breakdowns.filter(
      (breakdown) => breakdown.facet && breakdown.columns.some((column) => column.run === run.name),
    );
    const speed = speedFacts(run.speed || {});
    return h(
      "article.run",
      {},
      h(
        "header.sample-head",
        {},
        h("div.title", {}, h("h1", {}, run.task)),
        h("button.to-list", { type: "button", onclick: toList }, "Problems ↓"),
      ),
      h("p.lead", {}, run.conditions),
      app.factList(facts),
      run.shortfall && h("p.notice", {}, `The run is incomplete: ${run.shortfall}.`),
      run.answers.length > 0 && h("p.notice", {}, `${run.answers.join("; ")}.`),
      run.no_prompts && h("p.notice", {}, `Prompts are not shown. ${run.no_prompts}`),
      run.rates.length > 0 && part("Rates", rateTable(run)),
      part("Verdicts", app.statusBar(run), h("p.chips", {}, counts)),
      speed.length > 0 &&
        part(
          "Speed",
          app.factList(speed),
          run.speed_conditions && h("p.lead.small", {}, `Conditions: ${run.speed_conditions}.`),
        ),
      breakdowns.map((breakdown) => part(`By ${breakdown.facet}`, app.breakdownTable(breakdown, run.name))),
      settings(run),
    );
  };
})(window.evalharness);
