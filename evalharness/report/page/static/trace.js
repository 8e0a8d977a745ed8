"use strict";
// How a diffusion model wrote a completion: its tokens in their places, uncovered pass by pass.
(function (app) {
  const { h, s, format } = app;
  const SPEEDS = [
    ["0.5×", 2],
    ["1×", 4],
    ["2×", 8],
    ["4×", 16],
    ["8×", 32],
  ]; // passes a second

  /** Per pass: the places fixed after it, and the block that most of them are in. */
  function passesOf(trace) {
    const count = trace.steps.reduce((most, step) => Math.max(most, step + 1), 0);
    const passes = Array.from({ length: count }, () => ({ places: [], block: null }));
    trace.steps.forEach((step, place) => {
      if (!passes[step]) return;
      passes[step].places.push(place);
      passes[step].block = trace.blocks[place];
    });
    // A pass may fix nothing that was kept: it is of the block of the pass before it.
    passes.forEach((pass, index) => (pass.block ??= passes[index - 1]?.block ?? 0));
    return passes;
  }

  /** How many of the tokens stand before the place where the completion was cut; the rest were written for nothing. */
  function keptTokens(trace, text) {
    let length = 0;
    for (let place = 0; place < trace.tokens.length; place++) {
      length += trace.tokens[place].length;
      if (length > text.length) return length - trace.tokens[place].length < text.length ? place + 1 : place;
    }
    return trace.tokens.length;
  }

  function bars(passes) {
    const most = Math.max(1, ...passes.map((pass) => pass.places.length));
    const chart = s("svg", {
      class: "bars",
      viewBox: `0 0 ${passes.length} 1`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });
    passes.forEach((pass, index) => {
      const tall = Math.max(pass.places.length / most, pass.places.length ? 0.06 : 0);
      chart.append(s("rect", { x: index + 0.1, y: 1 - tall, width: 0.8, height: tall }));
    });
    return chart;
  }

  /** The player. Keys while it has the focus: arrows, Home, End, space. */
  app.tracePlayer = function (trace, text) {
    const passes = passesOf(trace);
    const last = passes.length;
    const kept = keptTokens(trace, text);
    const blocks = new Set(trace.blocks).size;
    let position = last;
    let timer = null;

    const tokens = trace.tokens.map((token, place) => {
      const span = h(
        "span.token",
        { title: `pass ${trace.steps[place] + 1}, block ${trace.blocks[place] + 1}` },
        token,
      );
      if (token.includes("\n")) span.classList.add("line");
      if (place >= kept) span.classList.add("cut");
      span.style.setProperty("--when", last > 1 ? trace.steps[place] / (last - 1) : 0);
      return span;
    });
    const canvas = h("pre.canvas", { role: "img" }, tokens);
    const chart = bars(passes);
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
    const colours = h("input", { type: "checkbox" });
    colours.addEventListener("change", () => canvas.classList.toggle("by-pass", colours.checked));

    function go(wanted, keepPlaying) {
      if (!keepPlaying) stop();
      position = Math.min(last, Math.max(0, wanted));
      draw();
    }

    function draw() {
      const block = (passes[position - 1] ?? passes[0])?.block ?? 0;
      let done = 0;
      tokens.forEach((span, place) => {
        const pass = trace.steps[place];
        const fixed = pass < position;
        done += fixed;
        span.classList.toggle("masked", !fixed);
        span.classList.toggle("fresh", pass === position - 1 && position < last);
        span.classList.toggle("later", !fixed && trace.blocks[place] > block);
      });
      [...chart.children].forEach((bar, index) => {
        bar.classList.toggle("past", index < position);
        bar.classList.toggle("now", index === position - 1);
      });
      const words = [
        `Pass ${position} of ${last}`,
        blocks > 1 ? `block ${block + 1} of ${blocks}` : "",
        `${done} of ${tokens.length} tokens`,
      ];
      state.textContent = words.filter(Boolean).join(" · ");
      slider.value = position;
      slider.setAttribute("aria-valuetext", state.textContent);
      canvas.setAttribute(
        "aria-label",
        `${state.textContent}: ${trace.tokens.map((token, place) => (trace.steps[place] < position ? token : "▢")).join("")}`,
      );
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
      const box = chart.getBoundingClientRect();
      go(Math.floor(((event.clientX - box.left) / box.width) * last) + 1);
    });

    const controls = h(
      "div.controls",
      {},
      step("To the first pass", "⇤", () => 0),
      step("One pass back", "←", () => position - 1),
      play,
      step("One pass on", "→", () => position + 1),
      step("To the last pass", "⇥", () => last),
      speed,
      h("label.check", {}, colours, "Colour by pass"),
    );
    const player = h(
      "div.trace",
      { tabindex: "0", role: "group", "aria-label": "Denoising, step by step" },
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
    return { element: player, facts: traceFacts(trace, last, blocks, kept) };
  };

  function traceFacts(trace, passes, blocks, kept) {
    const facts = [
      `${format.plural(trace.tokens.length, "token")} in ${format.plural(passes, "forward pass").replace("passs", "passes")}`,
    ];
    if (passes) facts.push(`${format.number(trace.tokens.length / passes)} tokens a pass`);
    if (blocks > 1) facts.push(`${blocks} blocks`);
    if (kept < trace.tokens.length)
      facts.push(`${format.plural(trace.tokens.length - kept, "token")} after the end, cut`);
    return facts.join(" · ");
  }
})(window.evalharness);
