"use strict";
// Selects samples: filters over the rows, and a search through prompts, completions and output, chunk by chunk.
(function (app) {
  /** Columns of a sample's row, in the order of `SampleRow` in report/page/rows.py. */
  const ROW = (app.ROW = {
    problem: 0,
    sample: 1,
    status: 2,
    tokens: 3,
    seconds: 4,
    chunk: 5,
    index: 6,
    detail: 7,
    trace: 8,
  });

  /** Columns of a problem's row, in the order of `ProblemRow` in report/page/rows.py. */
  const PROBLEM = (app.PROBLEM = { id: 0, entryPoint: 1, kinds: 2, prompt: 3 });

  /**
   * Reads and writes the query of an address: `status`, `q` (text to search), `in` (also in prompts, completions and
   * output), `trace`, and `by-FACET`.
   */
  app.readQuery = (text) => Object.fromEntries(new URLSearchParams(text));
  app.writeQuery = function (query) {
    const entries = Object.entries(query).filter(([, value]) => value);
    return entries.length ? `?${new URLSearchParams(entries)}` : "";
  };

  /** Returns the indices of the samples that match the query; `textMatches` are the results of `searchTexts`, if any. */
  app.filter = function (data, query, textMatches) {
    const text = (query.q || "").toLowerCase();
    const status = data.statuses.indexOf(query.status);
    const facets = data.facets.map((facet, index) => [index, query[`by-${facet}`]]).filter(([, kind]) => kind);
    const names = data.problems.map((problem) =>
      `${problem[PROBLEM.id]} ${problem[PROBLEM.entryPoint]}`.toLowerCase(),
    );
    const matches = [];
    data.samples.forEach((row, index) => {
      if (query.status && row[ROW.status] !== status) return;
      if (query.trace && !row[ROW.trace]) return;
      const kinds = data.problems[row[ROW.problem]][PROBLEM.kinds];
      if (facets.some(([facet, kind]) => kinds[facet] !== kind)) return;
      if (
        text &&
        !names[row[ROW.problem]].includes(text) &&
        !row[ROW.detail].toLowerCase().includes(text) &&
        !textMatches?.has(index)
      )
        return;
      matches.push(index);
    });
    return matches;
  };

  const promptText = (prompt) =>
    [prompt.text, prompt.suffix, ...(prompt.messages || []).map((message) => message.content)].join("\n").toLowerCase();
  const sampleText = (sample) => `${sample.text || ""}\n${sample.detail || ""}`.toLowerCase();

  /**
   * Returns the indices of the samples whose prompt, completion or output contains the text. Calls
   * `progress(fraction, matches)` after each chunk; if it returns false, the search ends and returns null.
   */
  app.searchTexts = async function (run, data, text, progress) {
    const lowerCase = text.toLowerCase();
    const sampleAt = new Map(data.samples.map((row, index) => [`${row[ROW.chunk]}/${row[ROW.index]}`, index]));
    const samplesOf = new Map();
    data.samples.forEach((row, index) => {
      if (!samplesOf.has(row[ROW.problem])) samplesOf.set(row[ROW.problem], []);
      samplesOf.get(row[ROW.problem]).push(index);
    });
    const problemAt = new Map(
      data.problems.map((problem, index) => [problem[PROBLEM.prompt]?.join("/") ?? null, index]),
    );
    const matches = new Set();
    const total = data.chunks + data.prompt_chunks;
    for (let step = 0; step < total; step++) {
      const isPrompt = step < data.prompt_chunks;
      const chunk = isPrompt ? step : step - data.prompt_chunks;
      const values = await app.load(`${run}/${isPrompt ? "prompt" : "sample"}${chunk}`);
      values.forEach((value, index) => {
        if (!(isPrompt ? promptText(value) : sampleText(value)).includes(lowerCase)) return;
        const key = `${chunk}/${index}`;
        for (const sample of isPrompt ? samplesOf.get(problemAt.get(key)) || [] : [sampleAt.get(key)])
          matches.add(sample);
      });
      if (progress((step + 1) / total, matches) === false) return null;
    }
    return matches;
  };
})(window.evalharness);
