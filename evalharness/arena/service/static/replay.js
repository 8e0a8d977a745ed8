"use strict";
// Shows an answer at the speed at which its model wrote it.
(function (app) {
  /** Returns how many of `length` characters are visible `elapsed` seconds after the start. */
  app.visibleLength = function (length, timing, elapsed) {
    if (elapsed >= timing.total_s) return length;
    if (elapsed < timing.first_s) return 0;
    const span = timing.total_s - timing.first_s;
    return Math.floor((length * (elapsed - timing.first_s)) / span);
  };

  /** Calls `show(characters)` until all are visible; the promise ends then. */
  app.replay = function (length, timing, show) {
    const start = performance.now();
    return new Promise((resolve) => {
      const step = () => {
        const visible = app.visibleLength(length, timing, (performance.now() - start) / 1000);
        show(visible);
        if (visible >= length && performance.now() - start >= 1000 * timing.total_s) resolve();
        else requestAnimationFrame(step);
      };
      step();
    });
  };
})(window.evalharness);
