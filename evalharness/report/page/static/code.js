"use strict";
// Syntax highlighting. Each token is a text node in a span: no text is ever parsed as HTML.
(function (app) {
  const MAX_CHARACTERS = 100000; // A longer text is not highlighted.
  const patterns = new Map();

  const escapeRegExp = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

  function pattern(language) {
    if (patterns.has(language)) return patterns.get(language);
    const comments = [
      ...language.block.map(([open, close]) => `${escapeRegExp(open)}[^]*?(?:${escapeRegExp(close)}|$(?![^]))`),
      ...language.line.map((mark) => `${escapeRegExp(mark)}.*`),
    ];
    // Strings with three quotes and template strings may span lines; other strings end with their line.
    const strings = language.quotes.map((quote) =>
      quote.length > 1 || quote === "`"
        ? `${escapeRegExp(quote)}(?:\\\\[^]|(?!${escapeRegExp(quote)})[^\\\\])*(?:${escapeRegExp(quote)}|$(?![^]))`
        : `${quote}(?:\\\\[^]|[^${quote}\\\\\\n])*(?:${quote}|$)`,
    );
    const compiled = new RegExp(
      [
        comments.length ? `(?<comment>${comments.join("|")})` : "(?<comment>(?!))",
        `(?<string>${strings.join("|")})`,
        "(?<number>\\b\\d[\\w.]*)",
        "(?<word>[A-Za-z_][\\w!*]*)(?<call>\\s*\\()?",
      ].join("|"),
      "gm",
    );
    patterns.set(language, compiled);
    return compiled;
  }

  /** Returns the parts of a text as [kind, text]; kind is "" for text without a colour. Joined, they are the text. */
  app.tokenize = function (text, language) {
    const tokens = [];
    let end = 0;
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
      const token = word || match[0];
      if (!kind || !token) continue;
      if (match.index > end) tokens.push(["", text.slice(end, match.index)]);
      tokens.push([kind, token]);
      end = match.index + token.length;
    }
    tokens.push(["", text.slice(end)]);
    return tokens;
  };

  /** Returns a text as nodes, highlighted as the language of that name. */
  app.highlight = function (text, name) {
    const language = app.language(name);
    if (!language || text.length > MAX_CHARACTERS) return [app.text(text)];
    return app
      .tokenize(text, language)
      .map(([kind, token]) => (kind ? app.h(`span.c-${kind}`, {}, token) : app.text(token)));
  };

  /** Returns a chat answer as nodes: fenced blocks as highlighted code, other text as prose. */
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

  /** Returns a block of code that scrolls by keyboard, too, with a button that copies it. */
  app.codeBlock = function (label, text, nodes) {
    const button = app.h("button.quiet.copy", { type: "button", "aria-label": `Copy: ${label}` }, "Copy");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Copying is blocked";
      }
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    const code = app.h("pre.code", { tabindex: "0", role: "region", "aria-label": label }, app.h("code", {}, nodes));
    return app.h("div.block", {}, button, code);
  };
})(window.evalharness);
