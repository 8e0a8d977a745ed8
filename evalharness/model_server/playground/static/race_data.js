"use strict";
// A race as data: what a saved file and a link contain, and the check of what comes from elsewhere.
(function (app) {
  const FRAME_FIELDS = [
    "forward_pass", "ms", "start", "end", "positions", "tokens", "confidences", "drafted", "accepted", "rejected",
  ];
  const LONGEST = 100_000; // tokens, frames or positions of a recording

  /** Returns what is saved or shared of a race: its recordings without what the player does not need. */
  app.packRace = function (recordings, prompt) {
    const round = (value, digits) => (value === null ? null : Number(value.toFixed(digits)));
    const packed = recordings.map((recording) => ({
      ...recording,
      problem: undefined,
      verdict: recording.verdict?.status ? recording.verdict : null,
      frames: recording.frames.map((frame) => ({
        ...Object.fromEntries(FRAME_FIELDS.map((name) => [name, frame[name]])),
        ms: round(frame.ms, 2),
        confidences: frame.confidences.map((value) => round(value, 3)),
      })),
    }));
    return { format: 1, prompt, saved: new Date().toISOString(), recordings: packed };
  };

  /** Returns the race in a value of unknown origin. Raises an Error if it is none. */
  app.checkRace = function (race) {
    const list = (value, check) => Array.isArray(value) && value.length <= LONGEST && value.every(check);
    const isText = (value) => typeof value === "string";
    const isIndex = (value) => Number.isInteger(value) && value >= 0 && value <= LONGEST;
    const isTime = (value) => Number.isFinite(value) && value >= 0;
    const isFrame = (frame) =>
      [frame.forward_pass, frame.start, frame.end, frame.accepted].every(isIndex) &&
      isTime(frame.ms) && list(frame.positions, isIndex) && list(frame.tokens, isText) &&
      list(frame.confidences, (value) => value === null || Number.isFinite(value)) &&
      frame.tokens.length === frame.positions.length && frame.confidences.length === frame.positions.length &&
      list(frame.drafted, isText) && list(frame.rejected, isText);
    const isVerdict = (verdict) =>
      Object.hasOwn(app.STATUSES, verdict.status) && isTime(verdict.wall_s) && isTime(verdict.peak_mb) &&
      isText(verdict.detail);
    const isRecording = (one) =>
      isText(one.title) && isText(one.way) && isText(one.text) && list(one.frames, isFrame) &&
      isTime(one.timings?.total_ms) && (one.timings.ttft_ms === null || isTime(one.timings.ttft_ms)) &&
      isIndex(one.usage?.completion_tokens) && (one.verdict === null || isVerdict(one.verdict));
    let good = false;
    try {
      good = race.format === 1 && isText(race.prompt) && list(race.recordings, isRecording) && race.recordings.length > 0;
    } catch {
      // Something that should be an object is none.
    }
    if (!good) throw new Error("This is not a race that this version of the playground can play; save or share the race again.");
    const recordings = race.recordings.map((one) => ({
      ...app.newRecording(one.title, one.way, {}),
      frames: one.frames, text: one.text, usage: one.usage, timings: one.timings,
      verdict: one.verdict,
    }));
    return { prompt: race.prompt, recordings };
  };
})(window.evalharness);
