"""Pictures of the frontier, and of the report page: its overview, and a sample, half denoised."""

import tempfile
from pathlib import Path

from browsing import IMAGES, take_screenshot, window
from playwright.sync_api import Browser

from evalharness.data.runs import Run
from evalharness.report.frontier.picture import write_frontier_plot
from evalharness.report.frontier.points import make_frontier_panels
from evalharness.report.page.page import write_report

SHOW_HALF_DENOISED = """() => {
    const slider = document.querySelector(".timeline input");
    slider.value = Math.round(slider.max * 0.55);
    slider.dispatchEvent(new Event("input"));
    document.querySelector(".trace").scrollIntoView({ block: "end" });
}"""


def draw_report(browser: Browser, runs: list[Run]) -> None:
    """Takes the screenshots of the report of these runs."""
    write_frontier_plot(make_frontier_panels(runs), IMAGES / "frontier-bundled.png")
    with tempfile.TemporaryDirectory() as folder:
        index = write_report(runs, Path(folder) / "report").as_uri()
        with window(browser, 1280, 1480) as page:
            page.goto(index)
            page.wait_for_selector("table.runs")
            take_screenshot(page, "report-overview")
            slugs = page.evaluate("evalharness.runs.map(run => run.name)")
        slug, task_id, sample_id = traced_sample(runs, slugs)
        with window(browser, 1280, 860, dark=True) as page:
            page.goto(index)
            page.wait_for_selector("table.runs")
            link = "([name, id, sample]) => { location.hash = evalharness.sampleLink(name, id, sample); }"
            page.evaluate(link, [slug, task_id, sample_id])
            page.wait_for_selector("article.sample")
            page.evaluate(SHOW_HALF_DENOISED)
            take_screenshot(page, "report-sample")


def traced_sample(runs: list[Run], slugs: list[str]) -> tuple[str, str, int]:
    """Returns the page's name of a run and the ids of a traced sample: one that passed, if any, of several lines."""
    traced = [
        (verdict.passed, min(row.text.count("\n"), 5), slug, row.key)
        for run, slug in zip(runs, slugs, strict=True)
        for verdicts in [{verdict.key: verdict for verdict in run.verdicts()}]
        for row in run.completions()
        if row.trace is not None and (verdict := verdicts.get(row.key))
    ]
    if not traced:
        raise SystemExit("none of the runs has traces; make them with --option trace=true")
    _, _, slug, key = max(traced, key=lambda sample: sample[:2])
    return slug, *key
