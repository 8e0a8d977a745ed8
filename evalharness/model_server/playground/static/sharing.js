"use strict";
// Links that contain a race: compressed, behind the # of the page's address, which browsers do not send to the server.
(function (app) {
  const PREFIX = "#race=";
  const LARGEST = 20_000_000; // bytes of a race before compression

  async function transform(bytes, through) {
    return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(through)).arrayBuffer());
  }

  /** Returns the decompressed text. Raises an Error if it is too large, before it fills the memory. */
  async function inflate(bytes) {
    const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    const parts = [];
    let size = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return new Blob(parts).text();
      size += value.length;
      if (size > LARGEST) throw new Error("The race in this link is too large.");
      parts.push(value);
    }
  }

  /** Returns the address of a page that plays these recordings. */
  app.shareLink = async function (recordings, prompt) {
    const text = new TextEncoder().encode(JSON.stringify(app.packRace(recordings, prompt)));
    const packed = await transform(text, new CompressionStream("deflate-raw"));
    let binary = "";
    for (const byte of packed) binary += String.fromCharCode(byte);
    const code = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    return `${location.origin}${location.pathname}${PREFIX}${code}`;
  };

  /** Returns the race in the page's address; null if there is none. Raises an Error for a damaged link. */
  app.sharedRace = async function () {
    if (!location.hash.startsWith(PREFIX)) return null;
    let race = null;
    try {
      const code = location.hash.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/");
      race = JSON.parse(await inflate(Uint8Array.from(atob(code), (one) => one.charCodeAt(0))));
    } catch {
      throw new Error("The race in this link is damaged or cut off; ask for the whole link.");
    }
    return app.checkRace(race);
  };
})(window.evalharness);
