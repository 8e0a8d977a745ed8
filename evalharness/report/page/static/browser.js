"use strict";
// The browser of a run: a list of its samples with filters and a search, and a pane with one sample or the run.
(function (app) {
  const { h, format } = app;
  const { ROW, PROBLEM } = app;
  const ROW_HEIGHT = 52; // pixels, as in browser.css
  const SEARCH_DELAY = 180; // ms after the last key

  let browser = null; // the browser that is shown: { run, data, query, indices, selected, list, pane, ... }

  app.runLink = (name, query) => `#/run/${encodeURIComponent(name)}${app.writeQuery(query || {})}`;
  app.sampleLink = (name, id, sample, query) =>
    `#/run/${encodeURIComponent(name)}/${encodeURIComponent(format.id(id))}/${sample}${app.writeQuery(query || {})}`;

  const linkTo = (index) => {
    const row = browser.data.samples[index];
    const id = browser.data.problems[row[ROW.problem]][PROBLEM.id];
    return app.sampleLink(browser.run.name, id, row[ROW.sample], browser.query);
  };

  function listRow(index) {
    const { data, hasManySamples, selected } = browser;
    const row = data.samples[index];
    const problem = data.problems[row[ROW.problem]];
    const name = [problem[PROBLEM.id], hasManySamples && h("small", {}, ` #${row[ROW.sample]}`)];
    const about = [problem[PROBLEM.entryPoint], ...problem[PROBLEM.kinds]].filter(Boolean).join(" · ");
    const note = row[ROW.detail] || about;
    return h(
      "a.row",
      { href: linkTo(index), "aria-current": index === selected ? "true" : null },
      format.status(data.statuses[row[ROW.status]], true),
      h("span.name", {}, name),
      h("span.time", {}, row[ROW.seconds] === null ? "" : format.seconds(row[ROW.seconds])),
      note && h("span.note", {}, note),
      row[ROW.trace] > 0 && h("span.tag", {}, "trace"),
    );
  }

  function selectFilter(label, key, options) {
    const select = h(
      "select",
      { "aria-label": label },
      h("option", { value: "" }, label),
      options.map(([value, text]) => h("option", { value }, text)),
    );
    select.value = browser.query[key] || "";
    select.addEventListener("change", () => changeQuery({ [key]: select.value }));
    return select;
  }

  function checkboxFilter(label, key) {
    const box = h("input", { type: "checkbox" });
    box.checked = Boolean(browser.query[key]);
    box.addEventListener("change", () => changeQuery({ [key]: box.checked ? "1" : "" }));
    return h("label.check", {}, box, label);
  }

  function filters() {
    const { data, query } = browser;
    const counts = new Map();
    for (const row of data.samples) counts.set(row[ROW.status], (counts.get(row[ROW.status]) || 0) + 1);
    const statuses = data.statuses.map((status, index) => [status, counts.get(index)]).filter(([, count]) => count);
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
      timer = setTimeout(() => changeQuery({ q: search.value.trim() }), SEARCH_DELAY);
    });
    const kindsOf = (facetIndex) =>
      [...new Set(data.problems.map((problem) => problem[PROBLEM.kinds][facetIndex]))]
        .filter(Boolean)
        .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    return h(
      "form.filters",
      { role: "search", onsubmit: (event) => event.preventDefault() },
      search,
      h(
        "div.choices",
        {},
        selectFilter(
          "Any verdict",
          "status",
          statuses.map(([status, count]) => [status, `${status} (${format.count(count)})`]),
        ),
        data.facets.map((facet, index) =>
          selectFilter(
            `Any ${facet}`,
            `by-${facet}`,
            kindsOf(index).map((kind) => [kind, kind]),
          ),
        ),
      ),
      h(
        "div.checks",
        {},
        checkboxFilter("also in prompts, completions and test output", "in"),
        data.traces && data.traces < data.samples.length ? checkboxFilter("with a trace", "trace") : null,
      ),
    );
  }

  /** Changes the query and the address; the selected sample stays. */
  function changeQuery(change) {
    browser.query = { ...browser.query, ...change };
    const [path] = location.hash.split("?");
    history.replaceState(null, "", `${path}${app.writeQuery(browser.query)}`);
    applyQuery();
  }

  let queryNumber = 0;
  /** Fills the list with the samples that match the query. A later call ends a search that is in progress. */
  async function applyQuery() {
    const number = ++queryNumber;
    const state = browser;
    const { data, query } = state;
    const show = (textMatches, progress) => {
      state.indices = app.filter(data, query, textMatches);
      state.list.set(state.indices);
      const all = state.indices.length === data.samples.length;
      const total = format.plural(data.samples.length, "sample");
      state.count.textContent = `${all ? "" : `${format.count(state.indices.length)} of `}${total}${progress || ""}`;
      state.noMatch.hidden = state.indices.length > 0;
    };
    if (!query.q || !query.in) {
      show(null);
    } else {
      const matches = await app.searchTexts(state.run.name, data, query.q, (fraction, textMatches) => {
        if (number !== queryNumber || browser !== state) return false;
        show(textMatches, fraction < 1 ? ` · searching, ${Math.floor(100 * fraction)}%` : "");
        return true;
      });
      if (!matches) return;
    }
    app.announce(state.count.textContent);
    showSelection(state);
  }

  function open(run, data, query) {
    const hasManySamples = data.samples.some((row) => row[ROW.sample] > 0);
    browser = { run, data, query, hasManySamples, indices: [], selected: null };
    browser.indexOf = new Map(
      data.samples.map((row, index) => [
        `${format.id(data.problems[row[ROW.problem]][PROBLEM.id])}\n${row[ROW.sample]}`,
        index,
      ]),
    );
    browser.list = app.virtualList("Samples", ROW_HEIGHT, listRow);
    browser.count = h("p.count", {});
    browser.noMatch = h("p.notice", { hidden: true }, "No sample matches all filters.");
    browser.pane = h("div.pane", {});
    const side = h(
      "aside.side",
      { "aria-label": "Samples" },
      filters(),
      browser.count,
      h("div.scroller", {}, browser.noMatch, browser.list.element),
    );
    browser.element = h("div.browser", {}, side, browser.pane);
  }

  /** Shows a run (`id` is null) or one of its samples. A browser of the run that is shown already is kept. */
  app.showRun = async function (main, name, id, sample, query) {
    const run = app.runs.find((candidate) => candidate.name === name);
    if (!run) return app.showError(main, `There is no run ${name} in this report.`);
    const address = location.hash;
    const isNew = browser?.run !== run || !browser.element.isConnected;
    if (isNew) {
      const data = await app.load(`${run.name}/rows`);
      if (location.hash !== address) return undefined; // The reader has left this address.
      open(run, data, query);
    }
    const changed = isNew || app.writeQuery(browser.query) !== app.writeQuery(query);
    browser.query = query;
    if (isNew) main.replaceChildren(browser.element);
    else if (changed) browser.element.querySelector(".filters").replaceWith(filters());
    const state = browser;
    state.selected = id === null ? null : (state.indexOf.get(`${id}\n${sample}`) ?? -1);
    if (state.selected === -1) return app.showError(main, `There is no sample ${sample} of ${id} in this run.`);
    const wasReading = state.element.classList.contains("reading");
    if (!wasReading) state.listScroll = window.scrollY; // On a phone, the list scrolls with the page.
    state.element.classList.toggle("reading", state.selected !== null);
    if (!(await drawPane(state))) return undefined;
    if (wasReading && state.selected === null) window.scrollTo(0, state.listScroll);
    if (changed) applyQuery();
    else showSelection(state);
    document.body.dataset.ready = location.hash;
    return undefined;
  };

  /** Draws the pane unless it is up to date. Returns false if the reader left the sample before it was loaded. */
  async function drawPane(state) {
    const { selected, run, data, query } = state;
    if (state.drawn === selected) return true;
    const back = app.runLink(run.name, query);
    const view = selected === null ? app.runView(run, data) : await app.sampleView(run, data, selected, linkTo, back);
    if (browser !== state || state.selected !== selected) return false;
    const focused = document.activeElement;
    state.focusLabel = focused?.matches(".move") ? focused.getAttribute("aria-label") : null;
    state.pane.replaceChildren(view);
    state.drawn = selected;
    state.pane.scrollTop = 0;
    if (selected !== null) window.scrollTo(0, 0);
    return true;
  }

  /** Shows the selected sample in the list, and its position and neighbours in the pane. */
  function showSelection(state) {
    if (state.selected !== null)
      state.pane.querySelector(".moves").replaceWith(app.listPosition(state.indices, state.selected, linkTo));
    if (state.focusLabel) state.pane.querySelector(`.move[aria-label="${state.focusLabel}"]`)?.focus();
    state.focusLabel = null;
    const position = state.indices.indexOf(state.selected);
    if (position >= 0) state.list.show(position, Boolean(document.activeElement?.matches(".row")));
    else state.list.redraw();
  }

  /** Selects the sample `offset` positions further in the list; the first one where none is selected. */
  app.moveInList = function (offset) {
    if (!browser?.element.isConnected || !browser.indices.length) return;
    const position = browser.selected === null ? 0 : browser.indices.indexOf(browser.selected) + offset;
    const index = browser.indices[Math.min(browser.indices.length - 1, Math.max(0, position))];
    if (index === browser.selected) return;
    browser.selected = index; // Before the address changes, because the next key may come first.
    location.replace(linkTo(index));
  };

  /** Goes back from a sample to its run. */
  app.closeSample = function () {
    if (browser?.element.isConnected && browser.selected !== null)
      location.hash = app.runLink(browser.run.name, browser.query);
  };
})(window.evalharness);
