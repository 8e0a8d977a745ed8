"use strict";
// Races of stored traces: the same problem in two runs on one clock.
(function (app) {
  const { h } = app;
  const { ROW, PROBLEM } = app;

  /**
   * Returns the recording of a sample that has a trace, an end and a count of its passes; else null. A stored trace has
   * no time of each pass: passes are spread evenly between the measured end of the prefill and the measured end.
   */
  app.recordingOf = function (title, way, sample) {
    const { trace, total_s: total } = sample;
    if (!trace || !(total > 0) || !trace.steps.length) return null;
    const passes = Math.max(sample.forwards || 0, trace.steps.reduce((most, step) => Math.max(most, step + 1), 0));
    const begin = sample.prefill_s < total ? sample.prefill_s : 0;
    const rejected = new Map((trace.rejected || []).map((draft) => [draft.step, draft.tokens]));
    const byStep = new Map();
    const blockEnds = new Map();
    trace.steps.forEach((step, index) => {
      byStep.set(step, [...(byStep.get(step) || []), index]);
      blockEnds.set(trace.blocks[index], index + 1);
    });
    const frames = [];
    let acceptedLeft = sample.accepted_drafts || 0;
    let next = 0; // the first position that is open
    for (let step = 0; step < passes; step++) {
      const positions = byStep.get(step) || [];
      // A pass that accepts drafts adds one token that was not drafted; the last pass may have been cut.
      const accepted = Math.min(acceptedLeft, step === passes - 1 ? acceptedLeft : Math.max(0, positions.length - 1));
      acceptedLeft -= accepted;
      const block = trace.blocks[positions[0] ?? next];
      frames.push({
        forward_pass: step + 1,
        ms: 1000 * (begin + ((total - begin) * (step + 1)) / passes),
        start: next,
        end: Math.max(blockEnds.get(block) ?? next, ...positions.map((position) => position + 1)),
        positions,
        tokens: positions.map((position) => trace.tokens[position]),
        confidences: positions.map(() => null),
        drafted: [],
        accepted,
        rejected: rejected.get(step) || [],
      });
      while (next < trace.steps.length && trace.steps[next] <= step) next += 1;
    }
    const first = sample.first_output_s === undefined ? null : 1000 * sample.first_output_s;
    return {
      ...app.newRecording(title, way, {}),
      frames,
      text: sample.text || "",
      usage: { completion_tokens: sample.output_tokens ?? trace.tokens.length },
      timings: { total_ms: 1000 * total, ttft_ms: first },
    };
  };

  /** Returns the samples of a problem with a trace in other runs of the task: [run, data, row] each. */
  async function opponents(run, id) {
    const others = app.runs.filter((other) => other.task === run.task && other.name !== run.name);
    const loaded = await Promise.all(others.map((other) => app.load(`${other.name}/rows`).catch(() => null)));
    return others.flatMap((other, number) => {
      const data = loaded[number];
      const problem = data ? data.problems.findIndex((candidate) => candidate[PROBLEM.id] === id) : -1;
      const row = problem < 0 ? null : data.samples.find((one) => one[ROW.problem] === problem && one[ROW.trace]);
      return row ? [[other, row]] : [];
    });
  }

  const titleOf = (run) => (run.label.split(" ").includes(run.backend) ? run.label : `${run.label}, ${run.backend}`);

  /** Returns the section in which a sample races against another run's; null if no other run has a trace for it. */
  app.raceSection = async function (run, id, sample) {
    const own = app.recordingOf(titleOf(run), run.backend, sample);
    const others = own ? await opponents(run, id) : [];
    if (!others.length) return null;
    const player = app.player(null);
    const choice = h(
      "select", { "aria-label": "Race against" },
      h("option", { value: "" }, "Race against …"),
      others.map(([other], index) => h("option", { value: index }, `${titleOf(other)}, ${other.conditions}`)),
    );
    const place = h("div", { hidden: true }, player.element);
    choice.addEventListener("change", async () => {
      place.hidden = choice.value === "";
      if (place.hidden) return player.pause();
      const [other, row] = others[Number(choice.value)];
      const opponent = (await app.load(`${other.name}/sample${row[ROW.chunk]}`))[row[ROW.index]];
      const against = app.recordingOf(titleOf(other), other.backend, opponent);
      player.setRecordings([own, against].filter(Boolean));
      player.seek(0);
      player.start();
    });
    return h(
      "section.part.race", {},
      h("h2", {}, "Race", h("small", {}, "measured ends, passes spread evenly between them")),
      choice, place,
    );
  };
})(window.evalharness);
