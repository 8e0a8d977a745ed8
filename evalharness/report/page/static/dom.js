"use strict";
// Elements are made here and nowhere else. Text is always a text node: what models wrote is never read as markup.
(function (app) {
  /** An element: h("p.note", {id: "x", onclick: f}, "text", child). null and false among attributes and children are left out. */
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
  /** The same for drawings. */
  app.s = function (tag, attributes, ...children) {
    const element = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  /** Has a screen reader say a line. */
  app.announce = function (text) {
    document.getElementById("announcer").textContent = text;
  };

  /** What was written at build time into the template of that name, or null where there is nothing. */
  app.template = function (id) {
    const content = document.getElementById(id).content;
    return content.firstElementChild?.cloneNode(true) ?? null;
  };
})(window.evalharness);
