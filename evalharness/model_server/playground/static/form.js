"use strict";
// The prompt, its hole to infill, and the problems of tasks.
(function (app) {
  const { h } = app;
  /** Marks the hole in given code; what is before and after it are the prefix and the suffix. */
  app.HOLE = "<HOLE>";
  const EXAMPLE = 'def count_vowels(text):\n    """Return the number of vowels in text."""\n';

  /** Returns {element, request(), problem()}. `actions` are {race, run, stop}. */
  app.form = function (server, actions, onSettings) {
    const prompt = h("textarea", {
      id: "prompt", rows: 9, spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": "Prompt",
    });
    prompt.value = EXAMPLE;
    const chat = h("input", { type: "checkbox", id: "chat" });
    const hole = h("button", { type: "button", id: "hole", hidden: !server.infills, onclick: insertHole }, "Insert hole");
    const task = h("select", { id: "task", "aria-label": "Task" },
      h("option", { value: "" }, "A task's problem …"), server.tasks.map((name) => h("option", { value: name }, name)));
    const id = h("input", { id: "problem-id", type: "text", placeholder: "id or number", "aria-label": "Problem" });
    const next = h("button", { type: "button", id: "next-problem", onclick: () => load(1) }, "Next");
    const note = h("p.form-note", { id: "form-note", role: "status" });
    const race = h("button.primary", { type: "button", id: "race", onclick: actions.race, "aria-keyshortcuts": "r" }, "Race");
    const runs = server.ways.map((way) =>
      h("button", { type: "button", id: `run-${way}`, onclick: () => actions.run(way) }, app.WAYS[way] || way));
    const stop = h("button", { type: "button", id: "stop", hidden: true, onclick: actions.stop }, "Stop");
    const rerun = h("input", { type: "checkbox", id: "rerun" });
    rerun.checked = true;
    const settings = app.settings(server, () => rerun.checked && onSettings());
    let problem = null;

    task.addEventListener("change", () => { id.value = ""; load(0); });
    id.addEventListener("change", () => load(0));
    prompt.addEventListener("input", () => {
      // A changed prompt is no longer the problem's, so that its tests say nothing about the answer.
      if (problem && prompt.value !== problem.shown) { problem = null; note.textContent = ""; }
    });

    function insertHole() {
      const { selectionStart: from, selectionEnd: to, value } = prompt;
      prompt.value = (value.slice(0, from) + app.HOLE + value.slice(to)).replaceAll(app.HOLE, (mark, at) => (at === from ? mark : ""));
      prompt.focus();
      prompt.dispatchEvent(new Event("input"));
    }

    async function load(move) {
      if (!task.value) return;
      const wanted = move && problem ? String((problem.number + move) % problem.problems) : id.value.trim();
      note.textContent = "Loading …";
      try {
        const query = new URLSearchParams({ task: task.value, id: wanted });
        const found = await app.getJson(`playground/problem?${query}`);
        const shown = found.suffix === null ? found.prompt : found.prompt + app.HOLE + found.suffix;
        prompt.value = shown;
        chat.checked = found.chat;
        id.value = found.id;
        problem = { ...found, shown };
        note.textContent = `${found.task}, problem ${found.number + 1} of ${found.problems}`;
      } catch (error) {
        problem = null;
        note.textContent = error.message;
      }
    }

    return {
      element: h("div.form", {},
        h("div.row", {}, task, id, next),
        prompt,
        h("div.row", {}, h("label.check", {}, chat, "Chat message"), hole),
        note,
        h("div.row.actions", {}, server.ways.length > 1 ? race : null, runs, stop),
        settings.element,
        h("label.check", {}, rerun, "Run again when a setting changes")),
      prompt,
      say: (text) => (note.textContent = text),
      busy(on) {
        stop.hidden = !on;
        for (const one of [race, ...runs]) one.disabled = on;
      },
      problem: () => problem,
      /** Returns the path and the body of the request for a decoding method. */
      request(way) {
        const body = settings.value(way);
        if (problem?.stops.length) body.stop = problem.stops;
        const [before, after] = prompt.value.split(app.HOLE);
        if (after !== undefined) return ["v1/completions", { ...body, prompt: before, suffix: after }];
        if (chat.checked) return ["v1/chat/completions", { ...body, messages: [{ role: "user", content: prompt.value }] }];
        return ["v1/completions", { ...body, prompt: prompt.value }];
      },
    };
  };
})(window.evalharness);
