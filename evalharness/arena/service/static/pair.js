"use strict";
// Draws a problem, its two answers, and what is revealed after the vote.
(function (app) {
  const { h, format } = app;
  const CONTEXT_LINES = 12; // lines of an infilling problem around the answer that each pane shows
  const SIDES = ["first", "second"];
  app.LETTERS = { first: "A", second: "B" };

  const lastLines = (text, count) => text.split(/(?<=\n)/).slice(-count).join("");
  const firstLines = (text, count) => text.split(/(?<=\n)/).slice(0, count).join("");

  /** Returns the nodes of an answer: for infilling in its place, with the text around it dimmed. */
  function answerNodes(pair, text) {
    if (pair.form !== "infilling") return app.highlight(text, pair.language);
    return [
      h("span.around", {}, lastLines(pair.prefix, CONTEXT_LINES)),
      h("mark.middle", {}, app.highlight(text, pair.language)),
      h("span.around", {}, firstLines(pair.suffix, CONTEXT_LINES)),
    ];
  }

  function pane(pair, side) {
    const { text } = pair[side];
    const letter = app.LETTERS[side];
    const code = h("code");
    const show = (visible) => code.replaceChildren(...answerNodes(pair, text.slice(0, visible)));
    const element = h(
      `section.answer.${side}`,
      { "aria-label": `Answer ${letter}` },
      h("h2", {}, letter, h("span.revealed")),
      h("pre.code", { tabindex: "0", role: "region", "aria-label": `Code of answer ${letter}` }, code),
    );
    return { element, show };
  }

  function question(pair) {
    const nodes =
      pair.form === "infilling"
        ? [
            ...app.highlight(pair.prefix, pair.language),
            h("mark.middle", {}, " … to be filled … "),
            ...app.highlight(pair.suffix, pair.language),
          ]
        : app.highlight(pair.question, pair.language);
    const code = h("pre.code", { tabindex: "0", role: "region", "aria-label": "Problem" }, h("code", {}, nodes));
    return h("details.question", { open: pair.form !== "infilling" }, h("summary", {}, "Problem"), code);
  }

  const ARMS = {
    equal: null,
    recorded: "Recorded speed: each answer appears as fast as its model wrote it.",
    live: null,
  };

  /** Returns the pair's element, and a promise that ends when both answers are visible. */
  app.pairView = function (pair) {
    const panes = SIDES.map((side) => pane(pair, side));
    const element = h(
      "article.pair",
      { "data-pair": pair.id },
      h("header.pair-head", {}, h("h1", {}, pair.task_id), h("small", {}, pair.task)),
      ARMS[pair.arm] && h("p.arm", {}, ARMS[pair.arm]),
      question(pair),
      h("div.answers", {}, panes.map(({ element: child }) => child)),
    );
    const shown = SIDES.map((side, index) => {
      const { text, timing } = pair[side];
      if (timing) return app.replay(text.length, timing, panes[index].show);
      panes[index].show(text.length);
      return null;
    });
    return { element, complete: Promise.all(shown) };
  };

  /** Shows the names, verdicts and speeds of a pair after the vote. */
  app.reveal = function (element, result) {
    for (const side of SIDES) {
      const { model, status, total_s: seconds, output_tokens: tokens } = result[side];
      const facts = [
        format.status(status || "ungraded"),
        seconds !== null && h("span", {}, format.seconds(seconds)),
        seconds > 0 && tokens !== null && h("span", {}, `${format.number(tokens / seconds)} tokens/s`),
      ];
      const pane = element.querySelector(`.answer.${side}`);
      pane.querySelector(".revealed").replaceChildren(h("strong", {}, model), ...facts.filter(Boolean));
      pane.classList.toggle("chosen", result.choice === side);
    }
    element.classList.add("voted");
  };
})(window.evalharness);
