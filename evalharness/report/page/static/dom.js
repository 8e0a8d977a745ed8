"use strict";
// Makes all elements of the page. Text is always a text node: what models wrote is never parsed as HTML.
(function (app) {
  // Bidirectional controls, terminal escapes and invisible characters: what a reader would not see.
  const CONTROLS =
    /[\0-\x08\x0b\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  /** Returns the text with each such character written as JavaScript writes it, such as \u202e. */
  app.visible = (text) =>
    text.replace(CONTROLS, (found) => `\\u${found.codePointAt(0).toString(16).padStart(4, "0")}`);
  /** Returns a text node whose characters are all visible. */
  app.text = (text) => document.createTextNode(app.visible(text));

  /**
   * Returns an element: h("p.note", {id: "x", onclick: handler}, "text", child). Attributes and children that are null
   * or false are left out.
   */
  app.h = function (name, attributes, ...children) {
    const [tag, ...classes] = name.split(".");
    const element = document.createElement(tag);
    if (classes.length) element.className = classes.join(" ");
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else element.setAttribute(key, value === true ? "" : value);
    }
    const present = children.flat(2).filter((child) => child !== null && child !== undefined && child !== false);
    element.append(...present.map((child) => (child instanceof Node ? child : app.text(String(child)))));
    return element;
  };

  const SVG = "http://www.w3.org/2000/svg";
  /** Returns an SVG element. */
  app.s = function (tag, attributes, ...children) {
    const element = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  /** Announces a text to screen readers. */
  app.announce = function (text) {
    document.getElementById("announcer").textContent = text;
  };

  /** Returns a copy of the content of a <template> of body.html; null if it is empty. */
  app.template = function (id) {
    const content = document.getElementById(id).content;
    return content.firstElementChild?.cloneNode(true) ?? null;
  };
})(window.evalharness);
