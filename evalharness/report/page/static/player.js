"use strict";
// Plays recordings on one clock: play, pause, scrub, step from pass to pass.
(function (app) {
  const { h, format } = app;
  const SPEEDS = [["0.1×", 0.1], ["0.25×", 0.25], ["0.5×", 0.5], ["1×", 1], ["2×", 2], ["4×", 4]];

  /** Returns the player's element and its functions. `onRun` is called with the recording that is to be graded. */
  app.player = function (onRun) {
    const lanesBox = h("div.lanes", {});
    const play = h("button.play", { type: "button", "aria-keyshortcuts": "Space" }, "Play");
    const slider = h("input.scrub", { type: "range", min: 0, max: 0, step: "any", value: 0, "aria-label": "Time" });
    const clock = h("output.clock", {}, "0 ms");
    const speed = h("select", { "aria-label": "Speed" }, SPEEDS.map(([name, rate]) => h("option", { value: rate }, name)));
    speed.value = "1";
    const button = (label, sign, action) =>
      h("button", { type: "button", "aria-label": label, title: label, onclick: action }, sign);
    const controls = h(
      "div.controls", {},
      button("To the start", "|◀", () => player.seek(0)),
      button("Step back", "◀", () => player.step(-1)),
      play,
      button("Step forward", "▶", () => player.step(1)),
      button("To the end", "▶|", () => player.seek(player.end())),
      slider, clock, speed,
    );
    const element = h("div.player", {}, lanesBox, controls);
    let lanes = [];
    let now = 0;
    let playing = false;
    let live = false;
    let before = 0;

    const player = {
      element,
      get lanes() { return lanes; },
      get live() { return live; },
      get time() { return now; },
      end: () => Math.max(0, ...lanes.map((lane) => app.recordingEnd(lane.recording))),
      /** Shows these recordings at their end. */
      setRecordings(recordings) {
        lanes = recordings.map((recording) => {
          const lane = app.lane(onRun);
          lane.setRecording(recording);
          return lane;
        });
        lanesBox.replaceChildren(...lanes.map((lane) => lane.element));
        lanesBox.style.setProperty("--lanes", lanes.length);
        pause();
        player.seek(player.end());
      },
      /** While a recording grows, the player follows its end, unless the reader paused or moved. */
      follow(on) {
        live = on;
        if (on) playing = true;
        label();
      },
      update() {
        slider.max = player.end();
        if (live && playing) now = player.end();
        draw();
      },
      seek(ms) {
        now = Math.max(0, Math.min(ms, player.end()));
        draw();
      },
      /** Moves to the next or the previous event of any lane. */
      step(direction) {
        pause();
        const times = lanes.flatMap((lane) => lane.recording.frames.map((frame) => frame.ms)).sort((a, b) => a - b);
        const next = direction > 0 ? times.find((ms) => ms > now + 1e-6) : times.findLast((ms) => ms < now - 1e-6);
        player.seek(next ?? (direction > 0 ? player.end() : 0));
      },
      toggle() {
        if (playing) return pause();
        if (live) {
          playing = true;
          player.update();
        } else start();
        label();
      },
      start,
      pause,
    };

    function label() {
      play.textContent = playing ? "Pause" : "Play";
      element.classList.toggle("live", live);
    }
    function pause() {
      playing = false;
      label();
    }
    function start() {
      if (now >= player.end() - 1e-6) now = 0;
      playing = true;
      before = performance.now();
      label();
      requestAnimationFrame(tick);
    }
    function tick(at) {
      if (!playing || live) return;
      now += (at - before) * Number(speed.value);
      before = at;
      if (now >= player.end()) {
        now = player.end();
        pause();
      }
      draw();
      if (playing) requestAnimationFrame(tick);
    }
    function draw() {
      slider.max = player.end();
      slider.value = now;
      slider.setAttribute("aria-valuetext", `${Math.round(now)} ms`);
      clock.textContent = format.seconds(now / 1000);
      // At the end of a recording, events later than its last frame (its end) count as well.
      for (const lane of lanes) lane.show(now >= player.end() ? Infinity : now);
    }

    play.addEventListener("click", player.toggle);
    slider.addEventListener("input", () => {
      pause();
      player.seek(Number(slider.value));
    });
    return player;
  };

  /** Adds the keys of a player: space, arrows, Home and End, outside of fields. */
  app.playerKeys = function (player) {
    const actions = {
      " ": player.toggle,
      ArrowLeft: () => player.step(-1),
      ArrowRight: () => player.step(1),
      Home: () => player.seek(0),
      End: () => player.seek(player.end()),
    };
    document.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
      if (event.target.matches?.("input:not([type=range]), select, textarea, summary")) return;
      if (event.key === " " && event.target.matches?.("button, input")) return;
      if (!Object.hasOwn(actions, event.key)) return;
      event.preventDefault();
      actions[event.key]();
    });
  };
})(window.evalharness);
