"use strict";
// Talks to the server. A vote is kept in the browser until the server has confirmed it, whatever happens in between.
(function (app) {
  const TOKEN_KEY = "evalharness-token";
  const PENDING_KEY = "evalharness-arena-vote";
  const RETRY_MS = 1000;

  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    sessionStorage.setItem(TOKEN_KEY, token);
    history.replaceState(null, "", location.pathname + location.search); // Not left in the address.
  }

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  /** Posts JSON and returns the response; retries while the server is unreachable or not ready. Throws a reason. */
  async function post(path, body, onWait) {
    for (;;) {
      let response = null;
      try {
        const headers = { "content-type": "application/json" };
        const stored = sessionStorage.getItem(TOKEN_KEY);
        if (stored) headers.authorization = `Bearer ${stored}`;
        response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
        const content = await response.json();
        if (response.ok) return content;
        if (response.status !== 503) throw Object.assign(new Error(content.error), { refused: true });
        onWait(content.error);
      } catch (error) {
        if (error.refused) throw error;
        onWait("The server does not answer. Trying again; nothing is lost.");
      }
      await pause(RETRY_MS);
    }
  }

  app.nextPair = (voter, onWait) => post("/api/pair", { voter }, onWait);

  /** Sends a vote and returns what the pair was. */
  app.sendVote = async function (vote, onWait) {
    localStorage.setItem(`${PENDING_KEY}-${vote.id}`, JSON.stringify(vote));
    try {
      return await post("/api/votes", vote, onWait);
    } finally {
      localStorage.removeItem(`${PENDING_KEY}-${vote.id}`);
    }
  };

  /** Sends the votes that the page had not sent when it was closed or reloaded. */
  app.sendPending = async function (onWait) {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(`${PENDING_KEY}-`));
    for (const key of keys) {
      try {
        await post("/api/votes", JSON.parse(localStorage.getItem(key)), onWait);
      } catch {
        // The server has no such pair: another arena ran at this address.
      }
      localStorage.removeItem(key);
    }
  };
})(window.evalharness);
