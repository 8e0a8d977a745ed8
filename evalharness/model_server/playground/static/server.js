"use strict";
// Requests to the server: the streams of completions, problems and verdicts.
(function (app) {
  const KEY = "evalharness-key";
  let key = "";
  try {
    key = sessionStorage.getItem(KEY) || "";
  } catch {
    // Without storage the key is asked for again after a reload.
  }

  /** Keeps the key for this tab. */
  app.setKey = function (value) {
    key = value;
    try {
      sessionStorage.setItem(KEY, value);
    } catch {
      // See above.
    }
  };

  async function send(path, options = {}) {
    const headers = key ? { authorization: `Bearer ${key}` } : {};
    const response = await fetch(path, { ...options, headers });
    if (response.ok) return response;
    let message = `HTTP ${response.status}`;
    try {
      message = (await response.json()).error.message;
    } catch {
      // Not the server's own answer.
    }
    throw Object.assign(new Error(message), { status: response.status });
  }

  app.getJson = async (path) => (await send(path)).json();
  app.postJson = async (path, body) => (await send(path, { method: "POST", body: JSON.stringify(body) })).json();

  /** Yields the data of the events of a stream. */
  async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const data = block.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
        if (data && data !== "[DONE]") yield JSON.parse(data);
      }
    }
  }

  /** Generates into a recording; `onChange` is called after each event. Raises an Error if the server refuses. */
  app.generate = async function (path, body, recording, signal, onChange) {
    const whole = { ...body, stream: true, denoising_frames: true, stream_options: { include_usage: true } };
    const response = await send(path, { method: "POST", body: JSON.stringify(whole), signal });
    let text = "";
    for await (const event of events(response)) {
      if (event.error) throw new Error(event.error.message);
      if (event.object === "denoising_frame") recording.frames.push(event);
      const choice = event.choices[0];
      if (choice) {
        text += choice.text ?? choice.delta?.content ?? "";
        recording.note = choice.note || recording.note;
      }
      if (event.usage) Object.assign(recording, { usage: event.usage, timings: event.timings, text });
      onChange();
    }
  };
})(window.evalharness);
