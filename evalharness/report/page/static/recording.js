"use strict";
// What a recording contains, and what its canvas looks like at a time.
(function (app) {
  /**
   * A recording is {title, way, settings, frames, text, usage, timings, problem, verdict}. Frames are those of the
   * server's denoising_frame events. `text` is null until the end.
   */
  app.newRecording = (title, way, settings) => ({
    title, way, settings, frames: [], text: null, usage: null, timings: null, error: null, verdict: null,
  });

  /** Returns the time of the last event of a recording, in ms. */
  app.recordingEnd = function (recording) {
    const last = recording.frames.at(-1);
    return Math.max(last ? last.ms : 0, recording.timings ? recording.timings.total_ms : 0);
  };

  /** Returns the number of frames at or before a time. */
  app.framesUntil = function (recording, ms) {
    let low = 0;
    let high = recording.frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (recording.frames[middle].ms <= ms) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  /** Returns how many cells of the finished text are kept; later ones were cut at a stop sequence or the limit. */
  function keptCells(cells, text) {
    let length = 0;
    for (let index = 0; index < cells.length; index++) {
      if (length >= text.length) return index;
      length += (cells[index].token || "").length;
    }
    return cells.length;
  }

  /**
   * Returns the canvas after the first `count` frames: {cells, rejected, committed, passes, accepted, refused}. A cell is
   * {kind, token, confidence, pass}; its kind is "mask", "token", "fresh" (of the last frame), "draft" or "cut".
   */
  app.canvasAt = function (recording, count) {
    const cells = [];
    let committed = 0;
    let accepted = 0;
    let refused = 0;
    let last = null;
    const cell = (position) => {
      while (cells.length <= position) cells.push({ kind: "mask", token: null, confidence: null, pass: null });
      return cells[position];
    };
    for (let number = 0; number < count; number++) {
      const frame = recording.frames[number];
      last = frame;
      // Positions that were drafted and not committed are masks again.
      for (const other of cells) if (other.kind === "draft") other.kind = "mask";
      if (frame.end > frame.start) cell(frame.end - 1);
      frame.positions.forEach((position, index) => {
        const target = cell(position);
        if (target.token === null) committed += 1;
        Object.assign(target, {
          kind: number === count - 1 ? "fresh" : "token",
          token: frame.tokens[index],
          confidence: frame.confidences[index],
          pass: frame.forward_pass,
        });
      });
      frame.drafted.forEach((token, index) => {
        const target = cell(frame.start + index);
        if (target.token === null) Object.assign(target, { kind: "draft", draft: token });
      });
      accepted += frame.accepted;
      refused += frame.rejected.length;
    }
    const done = recording.text !== null && count === recording.frames.length;
    if (done) {
      const kept = keptCells(cells, recording.text);
      // Committed tokens behind the end were cut; masks that were left are no part of the answer.
      const cut = cells.splice(kept).filter((one) => one.token);
      cells.push(...cut.map((one) => ({ ...one, kind: "cut" })));
      committed = recording.usage ? recording.usage.completion_tokens : committed;
    } else if (recording.way === "ar" && last && !last.drafted.length) {
      // What was open for a draft is not part of the text.
      cells.length = Math.max(0, cells.findLastIndex((one) => one.token !== null) + 1);
    }
    return {
      cells,
      rejected: last && !done ? last.rejected : [],
      committed,
      passes: last ? last.forward_pass : 0,
      accepted,
      refused,
      done,
    };
  };

  /** Returns whether the joined tokens of a finished canvas are the text; characters of several tokens break this. */
  app.canvasShowsText = (canvas, text) =>
    canvas.cells
      .map((one) => one.token || "")
      .join("")
      .startsWith(text);
})(window.evalharness);
