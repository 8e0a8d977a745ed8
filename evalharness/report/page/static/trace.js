"use strict";
// The denoising trace of a completion: its tokens appear in their positions, one forward pass at a time.
(function (app) {
  const { h, s, format } = app;
  const SPEEDS = [
    ["0.5×", 2],
    ["1×", 4],
    ["2×", 8],
    ["4×", 16],
    ["8×", 32],
  ]; // name, and passes per second

  /** Returns, for each pass, the number of tokens that it commits and the block that it works on. */
  function passesOf(trace) {
    const count = trace.steps.reduce((largest, step) => Math.max(largest, step + 1), 0);
    const passes = Array.from({ length: count }, () => ({ committed: 0, block: null }));
    trace.steps.forEach((step, index) => {
      if (!passes[step]) return;
      passes[step].committed += 1;
      passes[step].block = trace.blocks[index];
    });
    // A pass that commits no token works on the block of the pass before it.
    passes.forEach((pass, index) => (pass.block ??= passes[index - 1]?.block ?? 0));
    return passes;
  }

  /** Returns the number of tokens that the completion has; later ones were cut at a stop sequence. */
  function keptTokens(trace, text) {
    let length = 0;
    for (let index = 0; index < trace.tokens.length; index++) {
      const start = length;
      length += trace.tokens[index].length;
      if (length > text.length) return start < text.length ? index + 1 : index;
    }
    return trace.tokens.length;
  }

  /** Returns a bar chart of the tokens that each pass commits. */
  function barChart(passes) {
    const largest = Math.max(1, ...passes.map((pass) => pass.committed));
    const chart = s("svg", {
      class: "bars",
      viewBox: `0 0 ${passes.length} 1`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });
    passes.forEach((pass, index) => {
      const height = Math.max(pass.committed / largest, pass.committed ? 0.06 : 0);
      chart.append(s("rect", { x: index + 0.1, y: 1 - height, width: 0.8, height }));
    });
    return chart;
  }

  /** Returns the element and the summary of a player. Its keys are the arrows, Home, End and space. */
  app.tracePlayer = function (trace, text) {
    const passes = passesOf(trace);
    const last = passes.length;
    const kept = keptTokens(trace, text);
    const blocks = new Set(trace.blocks).size;
    let position = last;
    let timer = null;

    const tokens = trace.tokens.map((token, index) => {
      const span = h(
        "span.token",
        { title: `pass ${trace.steps[index] + 1}, block ${trace.blocks[index] + 1}` },
        token,
      );
      if (token.includes("\n")) span.classList.add("line");
      if (index >= kept) span.classList.add("cut");
      span.style.setProperty("--when", last > 1 ? trace.steps[index] / (last - 1) : 0);
      return span;
    });
    const canvas = h("pre.canvas", { role: "img" }, tokens);
    // Where a pass rejects drafted tokens, they stand in front of the target's own token.
    const rejected = new Map((trace.rejected || []).map((draft) => [draft.step, draft]));
    const rejection = h("del.rejected", { title: "drafted, and rejected by the target" });
    const chart = barChart(passes);
    const slider = h("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "Forward pass" });
    const state = h("p.state", {});
    const play = h("button.play", { type: "button" }, "Play");
    const speed = h(
      "select",
      { "aria-label": "Speed" },
      SPEEDS.map(([name, rate]) => h("option", { value: rate }, name)),
    );
    speed.value = "4";
    const step = (label, sign, change) =>
      h("button", { type: "button", "aria-label": label, title: label, onclick: () => go(change()) }, sign);
    const colorByPass = h("input", { type: "checkbox" });
    colorByPass.addEventListener("change", () => canvas.classList.toggle("by-pass", colorByPass.checked));

    function go(pass, keepPlaying) {
      if (!keepPlaying) stop();
      position = Math.min(last, Math.max(0, pass));
      draw();
    }

    function draw() {
      const block = (passes[position - 1] ?? passes[0])?.block ?? 0;
      let total = 0;
      tokens.forEach((span, index) => {
        const pass = trace.steps[index];
        const committed = pass < position;
        total += committed;
        span.classList.toggle("masked", !committed);
        span.classList.toggle("fresh", pass === position - 1 && position < last);
        span.classList.toggle("later", !committed && trace.blocks[index] > block);
      });
      const draft = position < last ? rejected.get(position - 1) : undefined;
      rejection.textContent = draft ? app.visible(draft.tokens.join("")) : "";
      if (draft) canvas.insertBefore(rejection, tokens[draft.position] ?? null);
      else rejection.remove();
      [...chart.children].forEach((bar, index) => {
        bar.classList.toggle("past", index < position);
        bar.classList.toggle("now", index === position - 1);
      });
      const parts = [
        `Pass ${position} of ${last}`,
        blocks > 1 ? `block ${block + 1} of ${blocks}` : "",
        `${total} of ${tokens.length} tokens`,
        draft ? `${format.plural(draft.tokens.length, "draft")} rejected` : "",
      ];
      state.textContent = parts.filter(Boolean).join(" · ");
      slider.value = position;
      slider.setAttribute("aria-valuetext", state.textContent);
      const text = trace.tokens.map((token, index) => (trace.steps[index] < position ? token : "▢")).join("");
      canvas.setAttribute("aria-label", `${state.textContent}: ${text}`);
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      play.textContent = "Play";
    }

    function toggle() {
      if (timer !== null) return stop();
      if (position >= last) go(0);
      play.textContent = "Pause";
      timer = setInterval(
        () => {
          if (position >= last || !canvas.isConnected) return stop();
          go(position + 1, true);
        },
        1000 / Number(speed.value),
      );
    }

    slider.addEventListener("input", () => go(Number(slider.value)));
    play.addEventListener("click", toggle);
    speed.addEventListener("change", () => timer !== null && (stop(), toggle()));
    chart.addEventListener("click", (event) => {
      const bounds = chart.getBoundingClientRect();
      go(Math.floor(((event.clientX - bounds.left) / bounds.width) * last) + 1);
    });

    const controls = h(
      "div.controls",
      {},
      step("Start", "⇤", () => 0),
      step("Previous pass", "←", () => position - 1),
      play,
      step("Next pass", "→", () => position + 1),
      step("End", "⇥", () => last),
      speed,
      h("label.check", {}, colorByPass, "Colour by pass"),
    );
    const player = h(
      "div.trace",
      { tabindex: "0", role: "group", "aria-label": "Denoising trace" },
      canvas,
      h("div.timeline", {}, chart, slider),
      h("div.foot", {}, state, controls),
    );
    const KEYS = { ArrowLeft: () => position - 1, ArrowRight: () => position + 1, Home: () => 0, End: () => last };
    player.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.target === speed) return;
      if (event.key === " " && event.target === player) toggle();
      else if (KEYS[event.key] && event.target !== slider) go(KEYS[event.key]());
      else return;
      event.preventDefault();
    });
    draw();
    return { element: player, summary: summaryOf(trace, last, blocks, kept) };
  };

  function summaryOf(trace, passes, blocks, kept) {
    const count = trace.tokens.length;
    const parts = [`${format.plural(count, "token")} in ${format.plural(passes, "forward pass", "forward passes")}`];
    if (passes) parts.push(`${format.number(count / passes)} tokens per pass`);
    const rejected = (trace.rejected || []).reduce((sum, draft) => sum + draft.tokens.length, 0);
    if (rejected) parts.push(`${format.plural(rejected, "draft")} rejected`);
    if (blocks > 1 && !rejected) parts.push(`${blocks} blocks`);
    if (kept < count) parts.push(`${format.plural(count - kept, "token")} cut after the end`);
    return parts.join(" · ");
  }
})(window.evalharness);
