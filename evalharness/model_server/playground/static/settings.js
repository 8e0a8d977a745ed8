"use strict";
// The settings of decoding beside the canvas.
(function (app) {
  const { h } = app;

  /** Returns {element, value(way), apply(values)}; `onChange` is called after each change. */
  app.settings = function (server, onChange) {
    const field = (label, input, className = "") => h(`label.field${className}`, {}, h("span", {}, label), input);
    const number = (id, value, attributes) => h("input", { type: "number", id, value, onchange: onChange, ...attributes });
    const shown = h("output", {}, "0.90");
    const threshold = h("input", {
      type: "range", id: "threshold", min: 0, max: 1, step: 0.01, value: 0.9,
      oninput: () => (shown.textContent = Number(threshold.value).toFixed(2)), onchange: onChange,
    });
    const rules = Object.keys(server.rules).filter((name) => !["verified", "typical"].includes(name));
    const rule = h("select", { id: "rule", onchange: () => { showUsed(); onChange(); } },
      rules.map((name) => h("option", { value: name }, name)));
    const block = number("block", 16, { min: 1, max: 256 });
    const steps = number("steps", 8, { min: 1, max: 256 });
    const bound = number("bound", 1, { min: 0.01, max: 20, step: "any" });
    const draft = h("select", { id: "draft", onchange: onChange },
      [["0", "none"], ["4", "4 tokens"], ["8", "8 tokens"], ["16", "16 tokens"], ["lookup", "lookup"]].map(
        ([value, name]) => h("option", { value }, name)));
    const tokens = number("max-tokens", Math.min(160, server.max_new_tokens), { min: 1, max: 4096 });
    const temperature = number("temperature", 0, { min: 0, max: 2, step: 0.1 });
    const seed = number("seed", 1, { min: 0, max: 2 ** 31 - 1 });
    const fields = {
      threshold: field("Threshold", h("span.with-output", {}, threshold, shown)),
      steps: field("Steps per block", steps),
      bound: field("Bound", bound),
    };
    const has = (way) => server.ways.includes(way);

    function showUsed() {
      for (const [name, element] of Object.entries(fields)) element.hidden = !server.rules[rule.value].includes(name);
    }
    showUsed();

    const groups = [
      has("diffusion") && server.ways.length
        ? h("fieldset", {}, h("legend", {}, "Diffusion"), field("Rule", rule), ...Object.values(fields), field("Block", block))
        : null,
      has("ar") ? h("fieldset", {}, h("legend", {}, "Autoregressive"), field("Drafts", draft)) : null,
      h("fieldset", {}, h("legend", {}, "Both"), field("Max tokens", tokens), field("Temperature", temperature), field("Seed", seed)),
    ];

    return {
      element: h("div.settings", {}, groups),
      /** Returns the parameters of a request for a decoding method. */
      value(way) {
        const body = {
          max_tokens: Number(tokens.value), temperature: Number(temperature.value), seed: Number(seed.value),
        };
        if (server.ways.length > 1) body.model = `${server.model}:${way}`;
        if (way === "diffusion") {
          body.rule = rule.value;
          body.block = Number(block.value);
          for (const [name, input] of [["threshold", threshold], ["steps", steps], ["bound", bound]]) {
            if (server.rules[rule.value].includes(name)) body[name] = Number(input.value);
          }
        }
        if (way === "ar" && draft.value !== "0") body.draft = draft.value === "lookup" ? "lookup" : Number(draft.value);
        return body;
      },
    };
  };
})(window.evalharness);
