"use strict";
// Which samples a reader wants: filters over the rows, and a search through the texts, chunk by chunk.
(function (app) {
  /** Columns of a sample's row, as page_data.py writes them. */
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

  /** What is asked for, as an address has it: status, text to look for, `in` for the texts too, trace, and facets. */
  app.readQuery = (text) => Object.fromEntries(new URLSearchParams(text));
  app.writeQuery = function (query) {
    const kept = Object.entries(query).filter(([, value]) => value);
    return kept.length ? `?${new URLSearchParams(kept)}` : "";
  };

  /** Numbers of the samples that meet the filters; `texts`, where given, holds those whose texts match. */
  app.filter = function (data, query, texts) {
    const wanted = (query.q || "").toLowerCase();
    const status = data.statuses.indexOf(query.status);
    const facets = data.facets.map((facet, place) => [place, query[`by-${facet}`]]).filter(([, kind]) => kind);
    const names = data.problems.map(([id, entry]) => `${id} ${entry}`.toLowerCase());
    const found = [];
    data.samples.forEach((row, number) => {
      if (query.status && row[ROW.status] !== status) return;
      if (query.trace && !row[ROW.trace]) return;
      const kinds = data.problems[row[ROW.problem]][2];
      if (facets.some(([place, kind]) => kinds[place] !== kind)) return;
      if (
        wanted &&
        !names[row[ROW.problem]].includes(wanted) &&
        !row[ROW.detail].toLowerCase().includes(wanted) &&
        !texts?.has(number)
      )
        return;
      found.push(number);
    });
    return found;
  };

  const promptText = (prompt) =>
    [prompt.text, prompt.suffix, ...(prompt.turns || []).map((turn) => turn.content)].join("\n").toLowerCase();
  const sampleText = (sample) => `${sample.text || ""}\n${sample.detail || ""}`.toLowerCase();

  /**
   * Numbers of the samples whose prompt, completion or output holds the text. `progress(fraction, found)` is called
   * after each chunk, and ends the search by returning false.
   */
  app.searchTexts = async function (run, data, text, progress) {
    const wanted = text.toLowerCase();
    const byPlace = new Map(data.samples.map((row, number) => [`${row[ROW.chunk]}/${row[ROW.index]}`, number]));
    const byProblem = new Map();
    data.samples.forEach((row, number) => {
      if (!byProblem.has(row[ROW.problem])) byProblem.set(row[ROW.problem], []);
      byProblem.get(row[ROW.problem]).push(number);
    });
    const prompts = new Map(data.problems.map(([, , , place], number) => [place ? place.join("/") : null, number]));
    const found = new Set();
    const total = data.chunks + data.prompt_chunks;
    for (let chunk = 0; chunk < total; chunk++) {
      const isPrompt = chunk < data.prompt_chunks;
      const place = isPrompt ? chunk : chunk - data.prompt_chunks;
      const values = await app.load(`${run}/${isPrompt ? "prompt" : "sample"}${place}`);
      values.forEach((value, index) => {
        if (!(isPrompt ? promptText(value) : sampleText(value)).includes(wanted)) return;
        const key = `${place}/${index}`;
        for (const number of isPrompt ? byProblem.get(prompts.get(key)) || [] : [byPlace.get(key)]) found.add(number);
      });
      if (progress((chunk + 1) / total, found) === false) return null;
    }
    return found;
  };
})(window.evalharness);
