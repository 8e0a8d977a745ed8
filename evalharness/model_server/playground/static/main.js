"use strict";
// Puts the page together: the form, the runs and the player.
(function (app) {
  const { h } = app;
  app.WAYS = { diffusion: "Diffusion", ar: "Autoregressive" };
  const stage = document.getElementById("stage");

  async function loadSettings() {
    for (;;) {
      try {
        return await app.getJson("playground/settings");
      } catch (error) {
        if (error.status !== 401) throw error;
        app.setKey(await askForKey(error.message));
      }
    }
  }

  function askForKey(message) {
    const input = h("input", { type: "password", autocomplete: "off", "aria-label": "Key", required: true });
    const form = h("form.key-form", { method: "dialog" }, h("p", {}, "This server needs a key."), h("small", {}, message), input, h("button.primary", {}, "Continue"));
    const dialog = h("dialog.keys", {}, form);
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) =>
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve(input.value);
      }),
    );
  }

  function start(server) {
    document.getElementById("model-name").textContent = `playground · ${server.model}`;
    const player = app.player(server.sandbox ? judge : null);
    const save = h("button", { type: "button", id: "save", hidden: true, onclick: saveFile, "aria-keyshortcuts": "s" }, "Save as a file");
    const hint = h("p.hint", {}, server.ways.length > 1
      ? "Race runs both ways of decoding, one at a time so that neither slows the other down, and plays them on one clock."
      : "Run the prompt and watch the answer appear.");
    stage.append(hint, player.element, h("div.row", {}, save, h("span.label", { id: "stage-note", role: "status" })));
    const form = app.form(server, { race: () => runAll(server.ways), run: (way) => runAll([way]), stop }, () => last && runAll(last));
    document.getElementById("form").append(form.element);
    let controller = null;
    let last = null;
    let again = false;
    let prompt = "";

    async function runAll(ways) {
      if (controller) {
        // The run in progress is of old settings.
        again = ways;
        return stop();
      }
      last = ways;
      controller = new AbortController();
      form.busy(true);
      hint.hidden = true;
      prompt = form.prompt.value;
      const recordings = ways.map((way) => app.newRecording(app.WAYS[way] || way, way, form.request(way)[1]));
      for (const recording of recordings) recording.problem = form.problem();
      player.setRecordings(recordings);
      player.follow(true);
      const redraw = frameThrottle(() => player.update());
      try {
        for (const [index, way] of ways.entries()) {
          const [path, body] = form.request(way);
          await app.generate(path, body, recordings[index], controller.signal, redraw);
        }
        form.say("");
      } catch (error) {
        const stopped = error.name === "AbortError";
        if (!stopped) form.say(error.message);
        for (const recording of recordings) if (recording.text === null) recording.error = stopped ? "Stopped." : error.message;
      }
      controller = null;
      player.follow(false);
      form.busy(false);
      save.hidden = recordings.some((recording) => recording.text === null);
      player.pause();
      player.update();
      app.announce("The run is finished.");
      if (again) {
        const next = again;
        again = false;
        return runAll(next);
      }
      player.seek(0);
      player.start();
    }

    function stop() {
      controller?.abort();
    }

    async function judge(recording) {
      const { problem } = recording;
      recording.verdict = { pending: true };
      player.update();
      try {
        recording.verdict = await app.postJson("playground/verdict", { task: problem.task, id: problem.id, text: recording.text });
      } catch (error) {
        recording.verdict = { error: error.message };
      }
      player.update();
    }

    async function saveFile() {
      const recordings = player.lanes.map((lane) => lane.recording);
      if (save.hidden || !recordings.length) return;
      app.download("race.html", await app.savedPage(recordings, prompt));
    }

    app.pageKeys(player, {
      r: () => runAll(server.ways),
      s: saveFile,
      e: () => form.prompt.focus(),
      Escape: stop,
    });
  }

  /** Returns a function that calls `draw` at most once per frame of the screen. */
  function frameThrottle(draw) {
    let waiting = false;
    return () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        draw();
      });
    };
  }

  loadSettings().then(start, (error) => stage.append(h("p.notice", {}, `The server does not answer: ${error.message}`)));
})(window.evalharness);
