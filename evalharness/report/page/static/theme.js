"use strict";
// Light or dark: as the system says, unless the reader chose. Runs before anything is drawn.
window.evalharness = {};
(function (app) {
  const KEY = "evalharness-theme";
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  function kept() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // a browser may refuse storage to files
    }
  }

  function show(theme) {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme-button");
    if (button) {
      button.textContent = theme === "dark" ? "Light" : "Dark";
      button.setAttribute("aria-label", `${button.textContent} colours`);
    }
  }

  const now = () => document.documentElement.dataset.theme;
  const wanted = () => kept() || (system.matches ? "dark" : "light");

  app.toggleTheme = function () {
    const theme = now() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // then it lasts as long as the page
    }
    show(theme);
  };

  show(wanted());
  system.addEventListener("change", () => show(wanted()));
  document.addEventListener("DOMContentLoaded", () => {
    show(now());
    document.getElementById("theme-button").addEventListener("click", app.toggleTheme);
  });
})(window.evalharness);
