"use strict";
// One recording on the screen: its canvas, coloured by confidence, and its numbers.
(function (app) {
  const { h, format } = app;
  const MASK = "\u2591";

  function describe(one, index) {
    if (one.kind === "mask") return `position ${index + 1}: mask`;
    if (one.kind === "draft") return `position ${index + 1}: drafted, not verified yet`;
    const sure = one.confidence === null ? "" : `, confidence ${(100 * one.confidence).toFixed(1)}%`;
    return `position ${index + 1}: pass ${one.pass}${sure}`;
  }

  /** Returns {element, show(ms), setRecording(recording)} of one lane. `onRun` is called by its button "Run it". */
  app.lane = function (onRun) {
    const title = h("h2", {});
    const pre = h("pre.canvas", { tabindex: "0", role: "region", "aria-label": "Canvas" });
    const stats = h("dl.stats", {});
    const note = h("p.lane-note", {});
    const verdict = h("div.verdict", { role: "status" });
    const run = h("button.run-it", { type: "button", hidden: true, onclick: () => onRun(lane.recording) }, "Run it");
    const element = h("article.lane", {}, h("header", {}, title, run), pre, stats, note, verdict);
    let spans = [];
    let shown = null;

    function numbers(canvas, ms) {
      const seconds = Math.min(ms, app.recordingEnd(lane.recording)) / 1000;
      const first = lane.recording.timings?.ttft_ms ?? lane.recording.frames[0]?.ms;
      const rows = [
        ["tokens/s", seconds > 0 && canvas.committed ? format.number(canvas.committed / seconds) : "–"],
        ["tokens", format.count(canvas.committed)],
        ["passes", format.count(canvas.passes)],
        ["tokens/pass", canvas.passes ? (canvas.committed / canvas.passes).toFixed(2) : "–"],
        ["TTFT", first === undefined || first === null || first > ms ? "–" : format.seconds(first / 1000)],
        ["time", format.seconds(seconds)],
      ];
      if (canvas.accepted || canvas.refused) rows.push(["drafts", `${canvas.accepted} ✓ ${canvas.refused} ✕`]);
      stats.replaceChildren(...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    }

    function paint(canvas) {
      const { recording } = lane;
      if (canvas.done && !app.canvasShowsText(canvas, recording.text)) {
        pre.replaceChildren(recording.text);
        spans = [];
        return;
      }
      if (spans.length === 0 || pre.firstChild !== spans[0]) {
        pre.replaceChildren();
        spans = [];
      }
      while (spans.length > canvas.cells.length) spans.pop().remove();
      pre.querySelector(".rejected")?.remove();
      canvas.cells.forEach((one, index) => {
        if (index === spans.length) {
          spans.push(h("span", {}));
          pre.append(spans[index]);
        }
        const span = spans[index];
        const text = one.kind === "mask" ? MASK : one.kind === "draft" ? one.draft : one.token;
        if (span.textContent !== text) span.textContent = text;
        const name = `token ${one.kind}${one.confidence === null ? " unrated" : ""}`;
        if (span.className !== name) span.className = name;
        span.style.setProperty("--sure", one.confidence ?? 0);
        span.title = describe(one, index);
      });
      if (canvas.rejected.length) {
        const lost = h("span.rejected", { title: "drafted tokens that the network rejected" }, canvas.rejected.join(""));
        const end = canvas.cells.findLastIndex((one) => one.token !== null);
        if (end >= 0) spans[end].after(lost);
        else pre.append(lost);
      }
    }

    function showVerdict() {
      const found = lane.recording.verdict;
      verdict.replaceChildren();
      if (!found) return;
      if (found.pending || found.error) {
        verdict.append(h("p.lane-note", {}, found.pending ? "Running in the sandbox …" : found.error));
        return;
      }
      verdict.append(
        format.status(found.status),
        h("span.label", {}, ` ${format.seconds(found.wall_s)} in the sandbox, ${Math.round(found.peak_mb)} MB`),
        found.detail ? h("pre.detail", {}, found.detail) : null,
      );
    }

    const lane = {
      element,
      recording: null,
      setRecording(recording) {
        lane.recording = recording;
        title.textContent = recording.title;
        pre.setAttribute("aria-label", `Canvas of ${recording.title}`);
        shown = null;
        lane.show(Infinity);
      },
      /** Shows the recording at a time in ms. */
      show(ms) {
        const { recording } = lane;
        const count = app.framesUntil(recording, ms);
        const key = `${count} ${recording.text !== null}`;
        if (key !== shown) {
          const canvas = app.canvasAt(recording, count);
          lane.canvas = canvas;
          paint(canvas);
          shown = key;
        }
        numbers(lane.canvas, ms);
        element.classList.toggle("done", lane.canvas.done);
        note.textContent = recording.error || (lane.canvas.done && recording.text === "" ? recording.note || "The answer is empty." : "");
        run.hidden = !(onRun && recording.problem && recording.text !== null);
        showVerdict();
      },
    };
    return lane;
  };
})(window.evalharness);
