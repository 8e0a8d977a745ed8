"use strict";
// Makes all elements of the page. Text is always a text node: what models wrote is never parsed as HTML.
(function (app) {
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
    element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
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

  /** Returns a copy of the content of a <template> of index.html; null if it is empty. */
  app.template = function (id) {
    const content = document.getElementById(id).content;
    return content.firstElementChild?.cloneNode(true) ?? null;
  };
})(window.evalharness);
