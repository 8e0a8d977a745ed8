"use strict";
// The page of a saved file: the prompt and the player.
(function (app) {
  const data = JSON.parse(document.getElementById("recordings").textContent);
  const player = app.player(null);
  const prompt = app.h("details.prompt", {}, app.h("summary", {}, "Prompt"), app.h("pre", {}, data.prompt));
  document.getElementById("stage").append(prompt, player.element);
  player.setRecordings(data.recordings);
  app.playerKeys(player);
  player.start();
})(window.evalharness);
