"use strict";
// Where the reader is: the address after # decides what is shown.
(function (app) {
  const { h, format } = app;
  const main = document.getElementById("main");
  const crumbs = document.getElementById("crumbs");

  app.showMissing = function (where, text) {
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

  function route() {
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
    let found;
    try {
      found = route();
    } catch {
      return app.showMissing(main, "This address cannot be read.");
    }
    const { parts, query } = found;
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
        app.showMissing(main, "There is nothing at this address.");
      } else {
        showCrumbs(null, null, {});
        app.showOverview(main, app.report);
        window.scrollTo(0, 0);
      }
    } catch (error) {
      app.showMissing(main, error.message);
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
    (error) => app.showMissing(main, error.message),
  );
})(window.evalharness);
