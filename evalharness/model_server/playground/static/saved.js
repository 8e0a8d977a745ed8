"use strict";
// The page of a race from a file or a link: the prompt and the player.
(function (app) {
  /** Shows a race in an element and plays it. */
  app.showRace = function (race, stage) {
    const player = app.player(null);
    const prompt = app.h("details.prompt", {}, app.h("summary", {}, "Prompt"), app.h("pre", {}, race.prompt));
    stage.append(prompt, player.element);
    player.setRecordings(race.recordings);
    app.playerKeys(player);
    player.start();
  };

  const saved = document.getElementById("recordings");
  if (saved) app.showRace(JSON.parse(saved.textContent), document.getElementById("stage"));
})(window.evalharness);
