"use strict";
// A run: its samples as a list that can be filtered and searched, and beside it one sample or the run's own figures.
(function (app) {
  const { h, format } = app;
  const { ROW } = app;
  const HEIGHT = 52; // of a row, as in browser.css
  const PAUSE = 180; // ms without a key before a search begins

  let open = null; // the browser on view: { run, data, query, numbers, list, ... }

  app.runLink = (name, query) => `#/run/${encodeURIComponent(name)}${app.writeQuery(query || {})}`;
  app.sampleLink = (name, id, sample, query) =>
    `#/run/${encodeURIComponent(name)}/${encodeURIComponent(format.id(id))}/${sample}${app.writeQuery(query || {})}`;

  const link = (number) => {
    const row = open.data.samples[number];
    return app.sampleLink(open.run.name, open.data.problems[row[ROW.problem]][0], row[ROW.sample], open.query);
  };

  function rowOf(number) {
    const { data, many, current } = open;
    const row = data.samples[number];
    const [id, entry, kinds] = data.problems[row[ROW.problem]];
    const name = [id, many && h("small", {}, ` #${row[ROW.sample]}`)];
    const note = row[ROW.detail] || [entry, ...kinds].filter(Boolean).join(" · ");
    return h(
      "a.row",
      { href: link(number), "aria-current": number === current ? "true" : null },
      format.status(data.statuses[row[ROW.status]], true),
      h("span.name", {}, name),
      h("span.time", {}, row[ROW.seconds] === null ? "" : format.seconds(row[ROW.seconds])),
      note && h("span.note", {}, note),
      row[ROW.trace] > 0 && h("span.tag", {}, "trace"),
    );
  }

  function choice(label, key, options) {
    const select = h(
      "select",
      { "aria-label": label },
      h("option", { value: "" }, label),
      options.map(([value, text]) => h("option", { value }, text)),
    );
    select.value = open.query[key] || "";
    select.addEventListener("change", () => ask({ [key]: select.value }));
    return select;
  }

  function check(label, key) {
    const box = h("input", { type: "checkbox" });
    box.checked = Boolean(open.query[key]);
    box.addEventListener("change", () => ask({ [key]: box.checked ? "1" : "" }));
    return h("label.check", {}, box, label);
  }

  function filters() {
    const { data, query } = open;
    const counts = new Map();
    for (const row of data.samples) counts.set(row[ROW.status], (counts.get(row[ROW.status]) || 0) + 1);
    const statuses = data.statuses.map((status, number) => [status, number]).filter(([, number]) => counts.has(number));
    const search = h("input.search", {
      type: "search",
      id: "search",
      placeholder: "Search problems",
      "aria-label": "Search problems",
      "aria-keyshortcuts": "/",
      autocomplete: "off",
      spellcheck: "false",
    });
    search.value = query.q || "";
    let timer = null;
    search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => ask({ q: search.value.trim() }), PAUSE);
    });
    const kindsOf = (place) =>
      [...new Set(data.problems.map((problem) => problem[2][place]))]
        .filter(Boolean)
        .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    return h(
      "form.filters",
      { role: "search", onsubmit: (event) => event.preventDefault() },
      search,
      h(
        "div.choices",
        {},
        choice(
          "Any verdict",
          "status",
          statuses.map(([status, number]) => [status, `${status} (${format.count(counts.get(number))})`]),
        ),
        data.facets.map((facet, place) =>
          choice(
            `Any ${facet}`,
            `by-${facet}`,
            kindsOf(place).map((kind) => [kind, kind]),
          ),
        ),
      ),
      h(
        "div.checks",
        {},
        check("also in prompts, code and output", "in"),
        data.traces && data.traces < data.samples.length ? check("with a trace", "trace") : null,
      ),
    );
  }

  /** Changes what is asked for; the address says so, and a sample on view stays. */
  function ask(change) {
    open.query = { ...open.query, ...change };
    const [path] = location.hash.split("?");
    history.replaceState(null, "", `${path}${app.writeQuery(open.query)}`);
    refresh();
  }

  let turn = 0;
  async function refresh() {
    const mine = ++turn;
    const state = open;
    const { data, query } = state;
    const show = (texts, note) => {
      state.numbers = app.filter(data, query, texts);
      state.list.set(state.numbers);
      const all = state.numbers.length === data.samples.length;
      state.count.textContent = `${all ? "" : `${format.count(state.numbers.length)} of `}${format.plural(data.samples.length, "sample")}${note || ""}`;
      state.none.hidden = state.numbers.length > 0;
    };
    if (!query.q || !query.in) {
      show(null);
    } else {
      const found = await app.searchTexts(state.run.name, data, query.q, (fraction, texts) => {
        if (mine !== turn || open !== state) return false;
        show(texts, fraction < 1 ? ` · searching, ${Math.floor(100 * fraction)}%` : "");
        return true;
      });
      if (!found) return;
    }
    app.announce(state.count.textContent);
    showPlace(state);
  }

  function start(run, data, query) {
    const many = data.samples.some((row) => row[ROW.sample] > 0);
    open = { run, data, query, many, numbers: [], current: null };
    open.byKey = new Map(
      data.samples.map((row, number) => [
        `${format.id(data.problems[row[ROW.problem]][0])}\n${row[ROW.sample]}`,
        number,
      ]),
    );
    open.list = app.longList("Samples", HEIGHT, rowOf);
    open.count = h("p.count", {});
    open.none = h("p.notice", { hidden: true }, "No sample meets all of this.");
    open.pane = h("div.pane", {});
    const side = h(
      "aside.side",
      { "aria-label": "Samples" },
      filters(),
      open.count,
      h("div.scroller", {}, open.none, open.list.element),
    );
    open.element = h("div.browser", {}, side, open.pane);
  }

  /** Shows a run, or one of its samples; what is on view already is kept. */
  app.showRun = async function (main, name, id, sample, query) {
    const run = app.runs.find((each) => each.name === name);
    if (!run) return app.showMissing(main, `There is no run ${name} in this report.`);
    const asked = location.hash;
    const anew = open?.run !== run || !open.element.isConnected;
    if (anew) {
      const data = await app.load(`${run.name}/rows`);
      if (location.hash !== asked) return undefined; // the reader has gone on
      start(run, data, query);
    }
    const changed = anew || app.writeQuery(open.query) !== app.writeQuery(query);
    open.query = query;
    if (anew) main.replaceChildren(open.element);
    else if (changed) open.element.querySelector(".filters").replaceWith(filters());
    const state = open;
    state.current = id === null ? null : (state.byKey.get(`${id}\n${sample}`) ?? -1);
    if (state.current === -1) return app.showMissing(main, `There is no sample ${sample} of ${id} in this run.`);
    const reading = state.element.classList.contains("reading");
    if (!reading) state.scrolled = window.scrollY; // of the list, where it scrolls with the page
    state.element.classList.toggle("reading", state.current !== null);
    if (!(await draw(state))) return undefined;
    if (reading && state.current === null) window.scrollTo(0, state.scrolled);
    if (changed) refresh();
    else showPlace(state);
    document.body.dataset.ready = location.hash;
    return undefined;
  };

  /** Draws the pane, unless it shows the wanted already; false if the reader went on before it could be drawn. */
  async function draw(state) {
    const { current, run, data, query } = state;
    if (state.drawn === current) return true;
    const back = app.runLink(run.name, query);
    const view = current === null ? app.runView(run, data) : await app.sampleView(run, data, current, link, back);
    if (open !== state || state.current !== current) return false;
    state.refocus = document.activeElement?.matches(".move") ? document.activeElement.getAttribute("aria-label") : null;
    state.pane.replaceChildren(view);
    state.drawn = current;
    state.pane.scrollTop = 0;
    if (current !== null) window.scrollTo(0, 0);
    return true;
  }

  /** Brings list and pane together: the row on view, and the ways to its neighbours. */
  function showPlace(state) {
    if (state.current !== null)
      state.pane.querySelector(".moves").replaceWith(app.placeInList(state.numbers, state.current, link));
    if (state.refocus) state.pane.querySelector(`.move[aria-label="${state.refocus}"]`)?.focus();
    state.refocus = null;
    const place = state.numbers.indexOf(state.current);
    if (place >= 0) state.list.show(place, Boolean(document.activeElement?.matches(".row")));
    else state.list.redraw();
  }

  /** Goes so many samples on in the list; from no sample to the first. */
  app.moveInList = function (by) {
    if (!open?.element.isConnected || !open.numbers.length) return;
    const place = open.current === null ? -1 : open.numbers.indexOf(open.current);
    const wanted = open.current === null ? 0 : place + by;
    const number = open.numbers[Math.min(open.numbers.length - 1, Math.max(0, wanted))];
    if (number === open.current) return;
    open.current = number; // at once, for the next key may come before the address is read
    location.replace(link(number));
  };

  /** Back from a sample to the run. */
  app.closeSample = function () {
    if (open?.element.isConnected && open.current !== null) location.hash = app.runLink(open.run.name, open.query);
  };
})(window.evalharness);
