"use strict";
// Numbers and words as they are shown.
(function (app) {
  const f = (app.format = {});

  /** Statuses: a sign that tells them apart without colour, and what each means. */
  app.STATUSES = {
    passed: { sign: "✓", means: "passed all tests" },
    failed: { sign: "✕", means: "gave a wrong result" },
    timeout: { sign: "◷", means: "ran out of time" },
    memory: { sign: "▦", means: "ran out of memory" },
    error: { sign: "!", means: "could not be run" },
    tampered: { sign: "⚑", means: "tried to deceive the tests" },
    infrastructure: { sign: "–", means: "has no verdict: the machine failed" },
    ungraded: { sign: "·", means: "is not graded" },
  };

  f.percent = (value) => `${(100 * value).toFixed(1)}%`;
  f.interval = (low, high) => `${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}`;
  f.count = (value) => value.toLocaleString("en");

  /** Three significant digits, and no more zeros than that. */
  f.number = function (value) {
    if (value >= 1000) return f.count(Math.round(value));
    if (value === 0) return "0";
    const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
    return value.toFixed(Math.min(digits, 4));
  };

  f.seconds = (value) => (value < 0.0995 ? `${f.number(1000 * value)} ms` : `${f.number(value)} s`);
  f.plural = (count, word) => `${f.count(count)} ${word}${count === 1 ? "" : "s"}`;

  /** An id as an address can hold it: half a character, which JSON allows, cannot stand in one. */
  f.id = (text) => text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");

  /** A status as a sign and a word. */
  f.status = function (status, short) {
    const known = app.STATUSES[status] || { sign: "?", means: status };
    const sign = app.h("span.sign", { "aria-hidden": "true" }, known.sign);
    return app.h(
      `span.status.${status}`,
      { title: `The sample ${known.means}` },
      sign,
      app.h(short ? "span.unseen" : "span", {}, status),
    );
  };
})(window.evalharness);
