"use strict";
// Saves recordings as one HTML file with the scripts of the player; it plays without a server.
(function (app) {
  const STYLES = ["theme.css", "page.css", "playground.css", "lanes.css"];
  const SCRIPTS = ["theme.js", "dom.js", "format.js", "recording.js", "lane.js", "player.js", "saved.js"];
  const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

  const read = async (name) => (await fetch(`static/${name}`)).text();

  /** Returns a text of a script or of JSON that a <script> element can contain. */
  const inScript = (text) => text.replaceAll("<", "\\u003c");

  /** Returns the HTML of a file with these recordings. */
  app.savedPage = async function (recordings, prompt) {
    const [styles, scripts] = await Promise.all([Promise.all(STYLES.map(read)), Promise.all(SCRIPTS.map(read))]);
    const data = inScript(JSON.stringify(app.packRace(recordings, prompt)));
    return [
      '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
      '<meta name="viewport" content="width=device-width, initial-scale=1">',
      `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
      "<title>evalharness: a recorded race</title>",
      ...styles.map((text) => `<style>\n${text}</style>`),
      "</head>\n<body>",
      '<header class="bar"><span class="brand">evalharness</span><span class="crumbs">a recorded race</span>',
      '<button type="button" id="theme-button" class="quiet">Dark</button></header>',
      '<main id="main"><div class="saved" id="stage"></div></main>',
      '<div id="announcer" class="unseen" role="status" aria-live="polite"></div>',
      `<script type="application/json" id="recordings">${data}</` + "script>",
      ...scripts.map((text) => `<script>\n${text}</` + "script>"),
      "</body>\n</html>\n",
    ].join("\n");
  };

  /** Lets the browser save a file. */
  app.download = function (name, text) {
    const link = app.h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/html" })), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
})(window.evalharness);
