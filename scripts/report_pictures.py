#!/usr/bin/env python
"""Takes the documentation's pictures of the report page: scripts/report_pictures.py RUN... (needs the dev extra).

The overview, and the first completion of the runs that has a trace, half denoised; of runs without one, the first that
did not pass.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from evalharness.data.runs import Run
from evalharness.report.page.page import write_page
from evalharness.report.runs import load_runs

DOCS = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE = {"width": 1280, "height": 860}
TALL = {"width": 1280, "height": 1480}
HALF = """() => {
    const slider = document.querySelector(".timeline input");
    slider.value = Math.round(slider.max * 0.55);
    slider.dispatchEvent(new Event("input"));
    document.querySelector(".trace").scrollIntoView({ block: "end" });
}"""


def main(folders: list[str]) -> None:
    runs = load_runs([Path(folder) for folder in folders])
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        index = write_page(runs, Path(folder) / "report")
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=TALL, color_scheme="light")
        page.goto(f"file://{index}")
        page.wait_for_selector("table.runs")
        take(page, "report-overview")
        page.set_viewport_size(SIZE)
        name, task_id, sample_id, traced = chosen(runs, page)
        page.emulate_media(color_scheme="dark" if traced else "light")
        page.evaluate("([name, id, sample]) => { location.hash = evalharness.sampleLink(name, id, sample); }",
                      [name, task_id, sample_id])  # fmt: skip
        page.wait_for_selector("article.sample")
        if traced:
            page.evaluate(HALF)
        take(page, "report-sample")
        browser.close()


def chosen(runs: list[Run], page: Page) -> tuple[str, str, int, bool]:
    """The page's name of a run, a sample of it, and whether that has a trace."""
    names = page.evaluate("evalharness.runs.map(run => run.name)")
    for run, name in zip(runs, names, strict=True):
        for row in run.completions():
            if row.trace is not None and row.text.count("\n") > 3:
                return name, row.task_id, row.sample_id, True
    for run, name in zip(runs, names, strict=True):
        for verdict in run.verdicts():
            if not verdict.passed:
                return name, verdict.task_id, verdict.sample_id, False
    verdict = next(runs[0].verdicts())
    return names[0], verdict.task_id, verdict.sample_id, False


def take(page: Page, name: str) -> None:
    """A picture of what is on view."""
    DOCS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(500)
    page.screenshot(path=DOCS / f"{name}.png")
    print(f"docs/images/{name}.png: {(DOCS / f'{name}.png').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("error: name the runs whose pictures are taken, such as: scripts/report_pictures.py results/demo")
    main(sys.argv[1:])
