"use strict";
// The voter's way through the page: name, pair, vote, reveal, next pair. Everything works by keyboard.
(function (app) {
  const { h, format } = app;
  const VOTER_KEY = "evalharness-arena-voter";
  const LONGEST_MS = 24 * 3600 * 1000; // the server refuses longer times
  const LAYOUT_KEY = "evalharness-arena-layout";
  const main = document.getElementById("main");
  const progress = document.getElementById("progress");
  const layoutButton = document.getElementById("layout-button");
  const voterButton = document.getElementById("voter-button");

  const VOTES = [
    ["first", "A is better", "a", ["a", "1", "ArrowLeft"]],
    ["second", "B is better", "b", ["b", "2", "ArrowRight"]],
    ["tie", "Tie", "t", ["t", "0"]],
    ["both_bad", "Both bad", "x", ["x"]],
    ["skip", "Skip", "s", ["s"]],
  ];

  let voter = "";
  let current = null; // {pair, element, since}: since is null until both answers are visible
  let busy = false;

  const notice = (text) => h("p.notice", { role: "alert" }, text);
  const waitNotice = (text) => {
    const old = document.querySelector("p.waiting");
    if (old) old.textContent = text;
    else main.prepend(h("p.notice.waiting", { role: "alert" }, text));
  };
  const clearWait = () => document.querySelector("p.waiting")?.remove();
  const setState = (state) => (document.body.dataset.state = state);

  function showProgress(votes) {
    progress.textContent = `${format.plural(votes, "pair")} done`;
  }

  function showStart() {
    setState("start");
    current = null;
    voterButton.hidden = true;
    const field = h("input.search", { id: "voter", maxlength: "64", autocomplete: "off", spellcheck: "false" });
    field.value = voter;
    const form = h(
      "form.start",
      {},
      h("h1", {}, "Which answer is better?"),
      h(
        "p.lead",
        {},
        "You see a problem and two answers by different models. Choose the better one; then the page shows which models wrote them, whether the tests passed, and how fast they were.",
      ),
      h("label", { for: "voter" }, "Your name, the same each time"),
      h("div.start-row", {}, field, h("button.primary", { type: "submit" }, "Start")),
      h("p.lead.small", {}, "It is stored with your votes. Keep the random one to stay anonymous."),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      voter = field.value.trim().replace(/\s+/g, " ");
      if (!voter) return;
      localStorage.setItem(VOTER_KEY, voter);
      loadPair();
    });
    main.replaceChildren(form);
    field.focus();
  }

  async function loadPair() {
    if (busy) return;
    busy = true;
    setState("loading");
    current = null;
    voterButton.hidden = false;
    voterButton.textContent = voter;
    voterButton.title = "Change the name";
    main.replaceChildren(h("p.lead.loading", {}, "Loading a pair …"));
    try {
      const { pair, votes } = await app.nextPair(voter, waitNotice);
      showProgress(votes);
      if (pair) showPair(pair);
      else {
        setState("done");
        main.replaceChildren(
          h("div.start", {}, h("h1", {}, "Done"), h("p.lead", {}, "You have seen all pairs. Thank you.")),
        );
      }
    } catch (error) {
      setState("refused");
      main.replaceChildren(notice(error.message));
    } finally {
      busy = false;
    }
  }

  function buttons() {
    const vote = ([choice, label, key]) =>
      h(
        `button.vote.vote-${choice}`,
        { type: "button", disabled: true, "aria-keyshortcuts": key, onclick: () => castVote(choice) },
        label,
        " ",
        h("kbd", { "aria-hidden": "true" }, key),
      );
    return h("div.votes", { role: "group", "aria-label": "Vote" }, VOTES.map(vote));
  }

  function showPair(pair) {
    const { element, complete } = app.pairView(pair);
    const bar = buttons();
    main.replaceChildren(element, bar);
    current = { pair, element, since: null };
    const mine = current;
    setState("waiting");
    window.scrollTo(0, 0);
    complete.then(() => {
      if (current !== mine) return;
      mine.since = performance.now();
      for (const button of bar.querySelectorAll("button")) button.disabled = false;
      setState("voting");
      app.announce("Both answers are shown.");
    });
  }

  async function castVote(choice) {
    if (busy || !current || current.since === null) return;
    busy = true;
    setState("sending");
    const mine = current;
    const ms = Math.min(Math.round(performance.now() - mine.since), LONGEST_MS);
    for (const button of main.querySelectorAll(".votes button")) button.disabled = true;
    try {
      const result = await app.sendVote({ id: mine.pair.id, voter, choice, ms }, waitNotice);
      clearWait();
      showProgress(result.votes);
      mine.since = null;
      app.reveal(mine.element, result);
      const next = h(
        "button.primary",
        { type: "button", onclick: loadPair, "aria-keyshortcuts": "Enter" },
        "Next ",
        h("kbd", { "aria-hidden": "true" }, "Enter"),
      );
      const words = { first: "A", second: "B", tie: "tie", both_bad: "both bad", skip: "skipped" };
      main.querySelector(".votes").replaceChildren(h("span.choice", {}, `Your vote: ${words[result.choice]}`), next);
      setState("revealed");
      next.focus();
      app.announce(`A was ${result.first.model}, B was ${result.second.model}.`);
    } catch (error) {
      clearWait();
      setState("refused");
      main.append(notice(error.message));
    } finally {
      busy = false;
    }
  }

  function setLayout(stacked) {
    document.body.classList.toggle("stacked", stacked);
    layoutButton.textContent = stacked ? "Side by side" : "One below the other";
    localStorage.setItem(LAYOUT_KEY, stacked ? "stacked" : "side");
  }
  const toggleLayout = () => setLayout(!document.body.classList.contains("stacked"));

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.repeat || event.defaultPrevented) return;
    if (event.target.matches?.("input")) return;
    const scrolls = event.target.matches?.("pre") && event.key.startsWith("Arrow");
    const vote = VOTES.find(([, , , keys]) => keys.includes(event.key));
    const state = document.body.dataset.state;
    if (vote && state === "voting" && !scrolls) castVote(vote[0]);
    else if (event.key === "Enter" && (state === "revealed" || state === "refused")) loadPair();
    else if (event.key === "v") toggleLayout();
    else if (event.key === "d") app.toggleTheme();
    else return;
    event.preventDefault();
  });

  layoutButton.addEventListener("click", toggleLayout);
  voterButton.addEventListener("click", showStart);
  setLayout(localStorage.getItem(LAYOUT_KEY) === "stacked");
  voter = localStorage.getItem(VOTER_KEY) || `voter-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
  app.sendPending(waitNotice).then(() => {
    clearWait();
    if (localStorage.getItem(VOTER_KEY)) loadPair();
    else showStart();
  });
})(window.evalharness);
