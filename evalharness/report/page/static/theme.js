"use strict";
// Light or dark colours: those of the system, unless the reader chose others. Runs before anything is drawn.
window.evalharness = {};
(function (app) {
  const STORAGE_KEY = "evalharness-theme";
  const systemDark = window.matchMedia("(prefers-color-scheme: dark)");

  function storedTheme() {
    try {
      return localStorage.getItem(STORAGE_KEY);
    } catch {
      return null; // A browser may refuse storage to pages from the disk.
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

  const currentTheme = () => document.documentElement.dataset.theme;
  const preferredTheme = () => storedTheme() || (systemDark.matches ? "dark" : "light");

  app.toggleTheme = function () {
    const theme = currentTheme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(STORAGE_KEY, theme);
    } catch {
      // The choice then applies until the page is closed.
    }
    show(theme);
  };

  show(preferredTheme());
  systemDark.addEventListener("change", () => show(preferredTheme()));
  document.addEventListener("DOMContentLoaded", () => {
    show(currentTheme());
    document.getElementById("theme-button").addEventListener("click", app.toggleTheme);
  });
})(window.evalharness);
