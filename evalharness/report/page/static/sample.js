"use strict";
// One sample: verdict, timing, what the tests said, prompt, completion, and how it was denoised.
(function (app) {
  const { h, format } = app;
  const { ROW } = app;
  const OTHERS = 12; // other runs of the task whose verdict is looked up

  const section = (title, note, ...content) =>
    h("section.part", {}, h("h2", {}, title, note && h("small", {}, note)), ...content);

  function facts(sample) {
    const found = [];
    const add = (name, value, show) =>
      value !== undefined && value !== null && found.push([name, show ? show(value) : value]);
    const { output_tokens: tokens, total_s: total, forwards } = sample;
    add("Output", tokens, (value) => format.plural(value, "token"));
    add("Prompt", sample.prompt_tokens, (value) => format.plural(value, "token"));
    add("Generation", total, format.seconds);
    if (tokens !== undefined && total > 0) add("Speed", tokens / total, (value) => `${format.number(value)} tokens/s`);
    add("First output", sample.first_output_s, format.seconds);
    add("Prefill", sample.prefill_s, format.seconds);
    add("Forwards", forwards, format.count);
    if (tokens !== undefined && forwards > 0) add("Tokens per forward", tokens / forwards, format.number);
    if (sample.batch > 1) add("Batch", sample.batch);
    add(
      "Ended by",
      sample.finish_reason || undefined,
      (value) => ({ stop: "stop", length: "token limit" })[value] || value,
    );
    if (sample.cpu_s) add("Grading, CPU", sample.cpu_s, format.seconds);
    if (sample.wall_s) add("Grading, wall", sample.wall_s, format.seconds);
    if (sample.peak_mb) add("Peak memory", sample.peak_mb, (value) => `${format.number(value)} MB`);
    if (sample.base_passed !== undefined) add("Base tests", sample.base_passed ? "passed" : "not passed");
    return h(
      "dl.facts",
      {},
      found.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    );
  }

  function promptParts(prompt, language) {
    const parts = (prompt.turns || []).map((turn) => [turn.role, turn.content, app.answer(turn.content, language)]);
    if (prompt.text !== undefined)
      parts.push([
        prompt.suffix === undefined ? "" : "before the gap",
        prompt.text,
        app.highlight(prompt.text, language),
      ]);
    if (prompt.suffix !== undefined)
      parts.push(["after the gap", prompt.suffix, app.highlight(prompt.suffix, language)]);
    if (prompt.prefill) parts.push(["the answer begins with", prompt.prefill, app.answer(prompt.prefill, language)]);
    return parts.map(([role, text, nodes]) =>
      h("div.turn", {}, role && h("p.role", {}, role), app.codeBlock(role ? `Prompt, ${role}` : "Prompt", text, nodes)),
    );
  }

  async function promptSection(run, problem) {
    const place = problem[3];
    if (!place)
      return section("Prompt", null, h("p.notice", {}, run.no_prompts || "The task's data hold no such problem."));
    const prompt = (await app.load(`${run.name}/prompt${place[0]}`))[place[1]];
    const note = run.elsewhere ? "as this task's recipe words it; the samples were made elsewhere" : null;
    return section("Prompt", note, promptParts(prompt, run.language));
  }

  function completionSection(run, sample) {
    const text = sample.text || "";
    if (!text)
      return section("Completion", null, h("p.notice", {}, sample.finish_reason ? "Empty." : "There is none."));
    const nodes = /^\s*(```|~~~)/m.test(text) ? app.answer(text, run.language) : app.highlight(text, run.language);
    const form = {
      answer: null,
      completion: "continues the problem's text",
      solution: "a whole program",
      program: "a program with its tests",
    }[sample.form];
    return section("Completion", form, app.codeBlock("Completion", text, nodes));
  }

  function siblings(data, number, href) {
    const of = data.samples[number][ROW.problem];
    const same = [];
    for (let first = number; first >= 0 && data.samples[first][ROW.problem] === of; first--) same.unshift(first);
    for (let next = number + 1; next < data.samples.length && data.samples[next][ROW.problem] === of; next++)
      same.push(next);
    if (same.length < 2) return null;
    const links = same.map((each) => {
      const row = data.samples[each];
      return h(
        "a.chip",
        { href: href(each), "aria-current": each === number ? "true" : null },
        format.status(data.statuses[row[ROW.status]], true),
        ` ${row[ROW.sample]}`,
      );
    });
    return h("nav.chips", { "aria-label": "Samples of this problem" }, h("span.label", {}, "Samples"), links);
  }

  /** Links to the same problem in other runs of the task, with their verdicts; filled in when those rows are read. */
  function elsewhere(run, id) {
    const others = app.runs.filter((other) => other.task === run.task && other.name !== run.name).slice(0, OTHERS);
    if (!others.length) return null;
    const line = h("nav.chips", { "aria-label": "The same problem in other runs" }, h("span.label", {}, "Other runs"));
    for (const other of others) {
      app.load(`${other.name}/rows`).then(
        (data) => {
          const problem = data.problems.findIndex((each) => each[0] === id);
          const row = problem < 0 ? null : data.samples.find((each) => each[ROW.problem] === problem);
          if (!row) return;
          const title = `${other.backend}, ${other.conditions}`;
          line.append(
            h(
              "a.chip",
              { href: app.sampleLink(other.name, id, row[ROW.sample]), title },
              format.status(data.statuses[row[ROW.status]], true),
              ` ${other.label}`,
            ),
          );
        },
        () => null,
      );
    }
    return line;
  }

  /** Where a sample stands in the list, and the ways to its neighbours. */
  app.placeInList = function (numbers, number, href) {
    const place = numbers.indexOf(number);
    const move = (label, sign, target) =>
      target === undefined
        ? h("span.move", { "aria-hidden": "true" }, sign)
        : h("a.move", { href: href(target), "aria-label": label, title: label }, sign);
    return h(
      "div.moves",
      {},
      place >= 0 && h("span.place", {}, `${format.count(place + 1)} of ${format.count(numbers.length)}`),
      move("Previous sample (k)", "↑", numbers[place - 1]),
      move("Next sample (j)", "↓", numbers[place + 1]),
    );
  };

  /** The pane of a sample; `href(number)` gives the address of another one. */
  app.sampleView = async function (run, data, number, href, back) {
    const row = data.samples[number];
    const problem = data.problems[row[ROW.problem]];
    const sample = (await app.load(`${run.name}/sample${row[ROW.chunk]}`))[row[ROW.index]];
    const head = h(
      "header.sample-head",
      {},
      h(
        "div.title",
        {},
        h("h1", {}, problem[0], row[ROW.sample] > 0 && h("small", {}, ` sample ${row[ROW.sample]}`)),
        format.status(data.statuses[row[ROW.status]]),
      ),
      h("div.moves"),
    );
    const kinds = data.facets
      .map((facet, index) => problem[2][index] && h("span.kind", {}, h("span.label", {}, facet), problem[2][index]))
      .filter(Boolean);
    const parts = [
      h("a.back", { href: back }, "← All samples"),
      head,
      kinds.length ? h("p.kinds", {}, kinds) : null,
      facts(sample),
      siblings(data, number, href),
      elsewhere(run, problem[0]),
    ];
    if (sample.detail)
      parts.push(
        section("Output", null, app.codeBlock("Output", sample.detail, [document.createTextNode(sample.detail)])),
      );
    if (sample.borderline) parts.push(section("Borderline", null, h("p.notice", {}, sample.borderline)));
    parts.push(await promptSection(run, problem), completionSection(run, sample));
    if (sample.trace) {
      const player = app.tracePlayer(sample.trace, sample.text || "");
      parts.push(section("Denoising", player.facts, player.element));
    }
    return h("article.sample", {}, parts.filter(Boolean));
  };
})(window.evalharness);
