"use strict";
// Code with colours, made when it is looked at. Every piece is a text node in a span: nothing is read as markup.
(function (app) {
  const LONGEST = 100000; // characters; a longer text is shown plain
  const patterns = new Map();

  const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

  function pattern(language) {
    if (patterns.has(language)) return patterns.get(language);
    const comments = [
      ...language.block.map(([open, close]) => `${quoted(open)}[^]*?(?:${quoted(close)}|$(?![^]))`),
      ...language.line.map((mark) => `${quoted(mark)}.*`),
    ];
    // A string that may span lines has three quotes or is a template; any other ends with its line at the latest.
    const strings = language.quotes.map((quote) =>
      quote.length > 1 || quote === "`"
        ? `${quoted(quote)}(?:\\\\[^]|(?!${quoted(quote)})[^\\\\])*(?:${quoted(quote)}|$(?![^]))`
        : `${quote}(?:\\\\[^]|[^${quote}\\\\\\n])*(?:${quote}|$)`,
    );
    const found = new RegExp(
      [
        comments.length ? `(?<comment>${comments.join("|")})` : "(?<comment>(?!))",
        `(?<string>${strings.join("|")})`,
        "(?<number>\\b\\d[\\w.]*)",
        "(?<word>[A-Za-z_][\\w!*]*)(?<call>\\s*\\()?",
      ].join("|"),
      "gm",
    );
    patterns.set(language, found);
    return found;
  }

  /** Pieces of code: [kind, text], where kind is "" for what has no colour. */
  app.tokenize = function (text, language) {
    const pieces = [];
    let reached = 0;
    for (const match of text.matchAll(pattern(language))) {
      const { comment, string, number, word, call } = match.groups;
      const kind = comment
        ? "comment"
        : string
          ? "string"
          : number
            ? "number"
            : language.words.has(word)
              ? "keyword"
              : call
                ? "call"
                : "";
      const piece = word || match[0];
      if (!kind || !piece) continue;
      if (match.index > reached) pieces.push(["", text.slice(reached, match.index)]);
      pieces.push([kind, piece]);
      reached = match.index + piece.length;
    }
    pieces.push(["", text.slice(reached)]);
    return pieces;
  };

  /** The text as nodes, in the colours of the language. */
  app.highlight = function (text, name) {
    const language = app.language(name);
    if (!language || text.length > LONGEST) return [document.createTextNode(text)];
    return app
      .tokenize(text, language)
      .map(([kind, piece]) => (kind ? app.h(`span.c-${kind}`, {}, piece) : document.createTextNode(piece)));
  };

  /** An answer's text: prose as it is, fenced blocks as code. */
  app.answer = function (text, name) {
    const nodes = [];
    let fence = null;
    let block = [];
    const flush = () => {
      if (block.length)
        nodes.push(
          ...(fence === null
            ? [app.h("span.prose", {}, block.join(""))]
            : app.highlight(block.join(""), fence || name)),
        );
      block = [];
    };
    for (const line of text.split(/(?<=\n)/)) {
      const mark = /^\s*(?:```|~~~)\s*([\w+#-]*)/.exec(line);
      if (!mark) {
        block.push(line);
        continue;
      }
      flush();
      nodes.push(app.h("span.fence", {}, line));
      fence = fence === null ? mark[1] : null;
    }
    flush();
    return nodes;
  };

  /** A block of code that can be scrolled by keyboard, with a button that copies it. */
  app.codeBlock = function (label, text, nodes) {
    const button = app.h("button.quiet.copy", { type: "button", "aria-label": `Copy: ${label}` }, "Copy");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed here";
      }
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    const code = app.h("pre.code", { tabindex: "0", role: "region", "aria-label": label }, app.h("code", {}, nodes));
    return app.h("div.block", {}, button, code);
  };
})(window.evalharness);
