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
    const share = h("button", { type: "button", id: "share", hidden: true, onclick: shareRace, "aria-keyshortcuts": "l" }, "Copy link");
    const hint = h("p.hint", {}, server.ways.length > 1
      ? "Race runs both decoding methods, one at a time so that neither slows the other down, and plays them on one clock."
      : "Run the prompt and watch the answer appear.");
    stage.append(hint, player.element, h("div.row", {}, save, share, h("span.label", { id: "stage-note", role: "status" })));
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
      document.getElementById("stage-note").textContent = "";
      if (location.hash) history.replaceState(null, "", location.pathname); // the race of the link is gone
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
      save.hidden = share.hidden = recordings.some((recording) => recording.text === null);
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

    async function shareRace() {
      const recordings = player.lanes.map((lane) => lane.recording);
      if (share.hidden || !recordings.length) return;
      const link = await app.shareLink(recordings, prompt);
      history.replaceState(null, "", link);
      let copied = "The link is copied";
      try {
        await navigator.clipboard.writeText(link);
      } catch {
        copied = "The address of this page is the link"; // a page that is not on this machine or HTTPS may not copy
      }
      const size = link.length > 2000 ? ` (${app.format.count(link.length)} characters)` : "";
      document.getElementById("stage-note").textContent = `${copied}${size}; it plays the race and runs nothing.`;
    }

    app.pageKeys(player, {
      r: () => runAll(server.ways),
      s: saveFile,
      l: shareRace,
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

  /** Shows the race of a link instead of the form. It needs no request to the model, and so no key. */
  function showShared(race) {
    document.getElementById("model-name").textContent = "a shared race";
    document.getElementById("form").hidden = true;
    document.getElementById("keys-button").hidden = true;
    document.querySelector(".playground").className = "saved";
    stage.append(h("p", {}, h("a", { href: location.pathname, id: "open-playground" }, "Open the playground")));
    app.showRace(race, stage);
  }

  const show = (message) => stage.append(h("p.notice", {}, message));
  const open = () => loadSettings().then(start, (error) => show(`The server does not answer: ${error.message}`));
  // A link that is opened in a tab with the page changes only the part behind the #.
  window.addEventListener("hashchange", () => location.hash.startsWith("#race=") && location.reload());
  app.sharedRace().then(
    (race) => (race ? showShared(race) : open()),
    (error) => {
      show(error.message);
      return open();
    },
  );
})(window.evalharness);
