"use strict";
// Formats numbers, ids, statuses and facts.
(function (app) {
  const format = (app.format = {});

  /** Statuses: a sign that distinguishes them without colour, and the meaning of each. */
  app.STATUSES = {
    passed: { sign: "✓", meaning: "passed all tests" },
    failed: { sign: "✕", meaning: "gave a wrong result" },
    timeout: { sign: "◷", meaning: "exceeded the time limit" },
    memory: { sign: "▦", meaning: "exceeded the memory limit" },
    error: { sign: "!", meaning: "could not be run" },
    tampered: { sign: "⚑", meaning: "tampered with the tests" },
    too_large: { sign: "▣", meaning: "is too large to be graded" },
    infrastructure: { sign: "–", meaning: "has no verdict, because the infrastructure failed" },
    ungraded: { sign: "·", meaning: "is not graded" },
  };

  format.percent = (value) => `${(100 * value).toFixed(1)}%`;
  format.interval = (low, high) => `${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}`;
  format.count = (value) => value.toLocaleString("en");

  /** Returns three significant digits; whole numbers from 1000. */
  format.number = function (value) {
    if (value >= 1000) return format.count(Math.round(value));
    if (value === 0) return "0";
    const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
    return value.toFixed(Math.min(digits, 4));
  };

  format.seconds = (value) =>
    value < 0.0995 ? `${format.number(1000 * value)} ms` : `${format.number(value)} s`;
  format.plural = (count, noun, plural) => `${format.count(count)} ${count === 1 ? noun : plural || `${noun}s`}`;

  /** Returns an id for an address: unpaired surrogates, which JSON allows, cannot be encoded in a URL. */
  format.id = (text) =>
    text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");

  /** Returns a status as a sign and a word; `short` hides the word from all but screen readers. */
  format.status = function (status, short) {
    const known = app.STATUSES[status] || { sign: "?", meaning: status };
    const sign = app.h("span.sign", { "aria-hidden": "true" }, known.sign);
    return app.h(
      `span.status.${status}`,
      { title: `The sample ${known.meaning}` },
      sign,
      app.h(short ? "span.unseen" : "span", {}, status),
    );
  };

  const ABBREVIATIONS = {
    TTFT: "Time to first token; for diffusion, to the first committed block",
    TPOT: "Time per output token after the first chunk of output",
  };

  /** Returns a list of facts, [name, value] each. An abbreviation in a name is explained by its tooltip. */
  app.factList = (facts) =>
    app.h(
      "dl.facts",
      {},
      facts.map(([name, value]) =>
        app.h("div", {}, app.h("dt", { title: ABBREVIATIONS[name.split(",")[0]] }, name), app.h("dd", {}, value)),
      ),
    );
})(window.evalharness);
