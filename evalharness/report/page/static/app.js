"use strict";
// Routing: the address after # decides what the page shows.
(function (app) {
  const { h } = app;
  const main = document.getElementById("main");
  const crumbs = document.getElementById("crumbs");

  /** Shows an error instead of the requested content. */
  app.showError = function (where, text) {
    where.replaceChildren(
      h(
        "div.overview",
        {},
        h("p.notice", { role: "alert" }, text),
        h("p", {}, h("a", { href: "#/" }, "To the overview")),
      ),
    );
    document.body.dataset.ready = location.hash;
  };

  function readAddress() {
    const [path, query] = location.hash.replace(/^#/, "").split("?");
    const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
    return { parts, query: app.readQuery(query || "") };
  }

  function showCrumbs(run, id, query) {
    const model = run && h("span.wide-only", {}, ` · ${run.label}`);
    crumbs.replaceChildren(
      ...(run
        ? [
            id === null
              ? h("span", { "aria-current": "page" }, run.task, model)
              : h("a", { href: app.runLink(run.name, query) }, run.task, model),
          ]
        : []),
    );
    const title = [id, run?.task, run && run.label, "evalharness report"];
    document.title = title.filter(Boolean).join(" · ");
  }

  async function show() {
    let address;
    try {
      address = readAddress();
    } catch {
      return app.showError(main, "This address is not valid.");
    }
    const { parts, query } = address;
    try {
      if (parts[0] === "run" && (parts.length === 2 || parts.length === 4)) {
        const id = parts.length === 4 ? parts[2] : null;
        showCrumbs(
          app.runs.find((run) => run.name === parts[1]),
          id,
          query,
        );
        await app.showRun(main, parts[1], id, id === null ? null : Number(parts[3]), query);
      } else if (parts.length) {
        app.showError(main, "There is no page at this address.");
      } else {
        showCrumbs(null, null, {});
        app.showOverview(main, app.report);
        window.scrollTo(0, 0);
      }
    } catch (error) {
      app.showError(main, error.message);
    }
  }

  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  window.addEventListener("hashchange", () => {
    if (location.hash !== "#main") show();
  });
  app.load("runs").then(
    (report) => {
      app.report = report;
      app.runs = report.runs;
      show();
    },
    (error) => app.showError(main, error.message),
  );
})(window.evalharness);
