#!/usr/bin/env python
"""Takes the documentation's screenshots of the report page: scripts/report_pictures.py RUN... (needs the dev extra).

They show the overview, and a sample: the first with a denoising trace, half denoised, or without traces the first that
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

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE = {"width": 1280, "height": 860}
TALL = {"width": 1280, "height": 1480}
SHOW_HALF_DENOISED = """() => {
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
        take_screenshot(page, "report-overview")
        page.set_viewport_size(SIZE)
        slug, task_id, sample_id, traced = choose_sample(runs, page)
        page.emulate_media(color_scheme="dark" if traced else "light")
        page.evaluate("([name, id, sample]) => { location.hash = evalharness.sampleLink(name, id, sample); }",
                      [slug, task_id, sample_id])  # fmt: skip
        page.wait_for_selector("article.sample")
        if traced:
            page.evaluate(SHOW_HALF_DENOISED)
        take_screenshot(page, "report-sample")
        browser.close()


def choose_sample(runs: list[Run], page: Page) -> tuple[str, str, int, bool]:
    """Returns the page's name of a run, the ids of a sample, and whether the sample has a trace."""
    slugs = page.evaluate("evalharness.runs.map(run => run.name)")
    for run, slug in zip(runs, slugs, strict=True):
        for row in run.completions():
            if row.trace is not None and row.text.count("\n") > 3:
                return slug, row.task_id, row.sample_id, True
    for run, slug in zip(runs, slugs, strict=True):
        for verdict in run.verdicts():
            if not verdict.passed:
                return slug, verdict.task_id, verdict.sample_id, False
    verdict = next(runs[0].verdicts())
    return slugs[0], verdict.task_id, verdict.sample_id, False


def take_screenshot(page: Page, name: str) -> None:
    """Writes a screenshot of the window."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / f"{name}.png")
    print(f"docs/images/{name}.png: {(IMAGES / f'{name}.png').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("error: name the runs to show, such as: scripts/report_pictures.py results/demo")
    main(sys.argv[1:])
