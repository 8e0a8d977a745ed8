"use strict";
// The pane of a sample: verdict, timing, output of the tests, prompt, completion, and denoising trace.
(function (app) {
  const { h, format } = app;
  const { ROW, PROBLEM } = app;
  const MAX_OTHER_RUNS = 12; // runs of the same task to which a sample links

  const section = (title, note, ...content) =>
    h("section.part", {}, h("h2", {}, title, note && h("small", {}, note)), ...content);

  function facts(sample) {
    const list = [];
    const add = (name, value, show) =>
      value !== undefined && value !== null && list.push([name, show ? show(value) : value]);
    const { output_tokens: tokens, total_s: total, forwards } = sample;
    add("Prompt tokens", sample.prompt_tokens, format.count);
    add("Output tokens", tokens, format.count);
    add("Reasoning tokens", sample.reasoning_tokens, format.count);
    add("End-to-end latency", total, format.seconds);
    if (tokens !== undefined && total > 0) add("Speed", tokens / total, (value) => `${format.number(value)} tokens/s`);
    add("TTFT", sample.first_output_s, format.seconds);
    add("Prefill", sample.prefill_s, format.seconds);
    add("Forward passes", forwards, format.count);
    if (tokens !== undefined && forwards > 0) add("Tokens per forward pass", tokens / forwards, format.number);
    const { accepted_drafts: accepted, rejected_drafts: refused } = sample;
    if (accepted !== undefined) add("Accepted drafts", `${format.count(accepted)} of ${format.count(accepted + refused)}`);
    if (sample.batch > 1) add("Batch", sample.batch);
    add(
      "Finish reason",
      sample.finish_reason || undefined,
      (value) => ({ stop: "stop", length: "token limit" })[value] || value,
    );
    if (sample.cpu_s) add("Grading, CPU time", sample.cpu_s, format.seconds);
    if (sample.wall_s) add("Grading, wall time", sample.wall_s, format.seconds);
    if (sample.peak_mb) add("Grading, peak memory", sample.peak_mb, (value) => `${format.number(value)} MB`);
    if (sample.base_passed !== undefined) add("Base tests", sample.base_passed ? "passed" : "not passed");
    return app.factList(list);
  }

  function promptParts(prompt, language) {
    const parts = (prompt.messages || []).map(({ role, content }) => [role, content, app.answer(content, language)]);
    if (prompt.text !== undefined)
      parts.push([prompt.suffix === undefined ? "" : "prefix", prompt.text, app.highlight(prompt.text, language)]);
    if (prompt.suffix !== undefined) parts.push(["suffix", prompt.suffix, app.highlight(prompt.suffix, language)]);
    if (prompt.prefill)
      parts.push(["beginning of the answer", prompt.prefill, app.answer(prompt.prefill, language)]);
    return parts.map(([name, text, nodes]) =>
      h("div.turn", {}, name && h("p.role", {}, name), app.codeBlock(name ? `Prompt, ${name}` : "Prompt", text, nodes)),
    );
  }

  async function promptSection(run, problem) {
    const location = problem[PROBLEM.prompt];
    if (!location)
      return section("Prompt", null, h("p.notice", {}, run.no_prompts || "The task's data do not have this problem."));
    const prompt = (await app.load(`${run.name}/prompt${location[0]}`))[location[1]];
    const note = run.replayed ? "of this task's recipe; the samples come from a file" : null;
    return section("Prompt", note, promptParts(prompt, run.language));
  }

  function emptyReason(sample) {
    if (sample.refusal) return `${sample.finish_reason === "error" ? "The backend failed" : "Refused"}: ${sample.refusal}`;
    if (sample.reasoning || sample.reasoning_tokens) return "Reasoning alone.";
    return sample.finish_reason ? "Empty." : "There is none.";
  }

  function reasoningSection(sample) {
    if (!sample.reasoning) return null;
    return section("Reasoning", "not graded", app.codeBlock("Reasoning", sample.reasoning, [app.text(sample.reasoning)]));
  }

  function completionSection(run, sample) {
    const text = sample.text || "";
    if (!text)
      return section("Completion", null, h("p.notice", {}, emptyReason(sample)));
    const nodes = /^\s*(```|~~~)/m.test(text) ? app.answer(text, run.language) : app.highlight(text, run.language);
    const form = {
      answer: null,
      completion: "continues the problem's text",
      solution: "a whole program",
      program: "a program with its tests",
    }[sample.form];
    return section("Completion", form, app.codeBlock("Completion", text, nodes));
  }

  /** Returns the sections of the program that ran and of the tests that followed it. */
  async function programSections(run, problem, sample) {
    const sections = [];
    if (sample.program) {
      const nodes = app.highlight(sample.program, run.language);
      sections.push(section("Program", sample.extraction || "what ran", app.codeBlock("Program", sample.program, nodes)));
    }
    const location = problem[PROBLEM.prompt];
    const { tests } = location ? (await app.load(`${run.name}/prompt${location[0]}`))[location[1]] : {};
    if (tests) sections.push(section("Tests", null, app.codeBlock("Tests", tests, app.highlight(tests, run.language))));
    return sections;
  }

  /** Returns links to the other samples of the problem. */
  function siblings(data, sampleIndex, href) {
    const isSibling = (index) => data.samples[index]?.[ROW.problem] === data.samples[sampleIndex][ROW.problem];
    const same = [];
    for (let before = sampleIndex; isSibling(before); before--) same.unshift(before);
    for (let after = sampleIndex + 1; isSibling(after); after++) same.push(after);
    if (same.length < 2) return null;
    const links = same.map((index) => {
      const row = data.samples[index];
      return h(
        "a.chip",
        { href: href(index), "aria-current": index === sampleIndex ? "true" : null },
        format.status(data.statuses[row[ROW.status]], true),
        ` ${row[ROW.sample]}`,
      );
    });
    return h("nav.chips", { "aria-label": "Samples of this problem" }, h("span.label", {}, "Samples"), links);
  }

  /** Returns links to the problem in other runs of the task, with verdicts; they appear when those rows are loaded. */
  function otherRuns(run, id) {
    const others = app.runs
      .filter((other) => other.task === run.task && other.name !== run.name)
      .slice(0, MAX_OTHER_RUNS);
    if (!others.length) return null;
    const links = h("nav.chips", { "aria-label": "The same problem in other runs" }, h("span.label", {}, "Other runs"));
    for (const other of others) {
      app.load(`${other.name}/rows`).then(
        (data) => {
          const problem = data.problems.findIndex((candidate) => candidate[PROBLEM.id] === id);
          const row = problem < 0 ? null : data.samples.find((candidate) => candidate[ROW.problem] === problem);
          if (!row) return;
          const title = `${other.backend}, ${other.conditions}`;
          links.append(
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
    return links;
  }

  /** Returns the position of a sample in the list, and links to its neighbours. */
  app.listPosition = function (indices, sampleIndex, href) {
    const position = indices.indexOf(sampleIndex);
    const move = (label, sign, target) =>
      target === undefined
        ? h("span.move", { "aria-hidden": "true" }, sign)
        : h("a.move", { href: href(target), "aria-label": label, title: label }, sign);
    return h(
      "div.moves",
      {},
      position >= 0 && h("span.place", {}, `${format.count(position + 1)} of ${format.count(indices.length)}`),
      move("Previous sample (k)", "↑", indices[position - 1]),
      move("Next sample (j)", "↓", indices[position + 1]),
    );
  };

  /** Returns the pane of a sample; `href(index)` gives the address of another one, `back` that of the run. */
  app.sampleView = async function (run, data, sampleIndex, href, back) {
    const row = data.samples[sampleIndex];
    const problem = data.problems[row[ROW.problem]];
    const sample = (await app.load(`${run.name}/sample${row[ROW.chunk]}`))[row[ROW.index]];
    const head = h(
      "header.sample-head",
      {},
      h(
        "div.title",
        {},
        h("h1", {}, problem[PROBLEM.id], row[ROW.sample] > 0 && h("small", {}, ` sample ${row[ROW.sample]}`)),
        format.status(data.statuses[row[ROW.status]]),
      ),
      h("div.moves"),
    );
    const kinds = data.facets
      .map((facet, index) => [facet, problem[PROBLEM.kinds][index]])
      .filter(([, kind]) => kind)
      .map(([facet, kind]) => h("span.kind", {}, h("span.label", {}, facet), kind));
    const parts = [
      h("a.back", { href: back }, "← All samples"),
      head,
      kinds.length ? h("p.kinds", {}, kinds) : null,
      facts(sample),
      siblings(data, sampleIndex, href),
      otherRuns(run, problem[PROBLEM.id]),
    ];
    if (sample.detail) {
      const text = app.text(sample.detail);
      parts.push(section("Test output", null, app.codeBlock("Test output", sample.detail, [text])));
    }
    if (sample.borderline) parts.push(section("Borderline", null, h("p.notice", {}, sample.borderline)));
    parts.push(await promptSection(run, problem), reasoningSection(sample), completionSection(run, sample));
    parts.push(...(await programSections(run, problem, sample)));
    if (sample.trace) {
      const player = app.tracePlayer(sample.trace, sample.text || "");
      parts.push(section("Denoising", player.summary, player.element));
      parts.push(await app.raceSection(run, problem[PROBLEM.id], sample));
    }
    return h("article.sample", {}, parts.filter(Boolean));
  };
})(window.evalharness);
