"""Writes the report page: a folder of files that a browser opens from the disk, without a server or a network.

The folder has index.html, static/ (equal for every report) and data/ (runs.js, and a folder of chunks for each run).
"""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template

from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.report.naming import name_runs
from evalharness.report.page.breakdowns import make_breakdown_tables
from evalharness.report.page.chunks import write_data_script
from evalharness.report.page.document import FILE_POLICY, make_html_document
from evalharness.report.page.embedded import make_embedded_frontier, make_embedded_leaderboard
from evalharness.report.page.entries import RunEntry, flatten_manifest, make_run_overview, make_run_slugs
from evalharness.report.page.rows import write_run_data
from evalharness.report.page.static_files import STATIC
from evalharness.report.problems import load_problems
from evalharness.report.published import PublishedResult
from evalharness.util.files import os_error_reason

STYLES = ("theme.css", "page.css", "tables.css", "embedded.css", "browser.css", "trace.css", "lanes.css")
SCRIPTS = (
    "dom.js", "data.js", "format.js", "languages.js", "code.js", "tables.js", "embedded.js", "trace.js", "recording.js",
    "lane.js", "player.js", "list.js", "search.js", "race.js", "sample.js", "browser.js", "overview.js", "run.js",
    "keys.js", "app.js",
)  # fmt: skip
REPORT_FILE = Path("data/runs.js")
"""The file by which a folder is recognized as a report, which may be replaced."""


def write_report(
    runs: Sequence[Run],
    out: Path,
    data_source: str | None = None,
    published: Sequence[PublishedResult] = (),
    note: Callable[[str], None] = lambda text: None,
) -> Path:
    """Writes the HTML report of runs to the folder `out`; returns the path of its index.html.

    `data_source` is the source of the problems' prompts (see `load_problems`); `note` is called with a text about each
    run whose prompts are missing. `published` results are added to frontier and leaderboard. An existing report is
    replaced only when the new one is complete. Raises UserError if the folder contains anything but a report, or if a
    run cannot be read.
    """
    out = out.resolve()
    check_report_folder_is_replaceable(out)
    unfinished = out.with_name(f".{out.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _write_report_files(runs, unfinished, data_source, published, note)
        shutil.rmtree(out, ignore_errors=True)
        os.replace(unfinished, out)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {os_error_reason(error)}; choose another folder with --out") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return out / "index.html"


def check_report_folder_is_replaceable(out: Path) -> None:
    """Raises UserError for an output folder that is neither empty nor a report, so that no other file is lost."""
    if out.exists() and not (out.is_dir() and ((out / REPORT_FILE).exists() or not any(out.iterdir()))):
        raise UserError(f"{out} exists and is not the folder of a report; choose another folder with --out")


def _write_report_files(
    runs: Sequence[Run],
    folder: Path,
    data_source: str | None,
    published: Sequence[PublishedResult],
    note: Callable[[str], None],
) -> None:
    shutil.copytree(STATIC, folder / "static", ignore=shutil.ignore_patterns("body.html", "README.md"))
    entries = []
    for run, slug, name in zip(runs, make_run_slugs(runs), name_runs(runs), strict=True):
        entry = RunEntry(run, slug, name, load_problems(run, data_source))
        if entry.problems.missing:
            note(f"the page of {run.folder} has no prompts. {entry.problems.missing}")
        write_run_data(run, folder / "data", slug, entry.problems)
        write_data_script(folder / "data", f"{slug}/settings", flatten_manifest(run))
        entries.append(entry.copy_without_problems())
    embedded = {
        "frontier": make_embedded_frontier(runs, published),
        "leaderboard": make_embedded_leaderboard(runs, published),
    }
    report = {
        "runs": [make_run_overview(entry) for entry in entries],
        "breakdowns": make_breakdown_tables(entries),
        "missing": {name: part.missing for name, part in embedded.items()},
        "notes": list(embedded["frontier"].notes.items()),
    }
    write_data_script(folder / "data", "runs", report)
    markup = {name: part.markup for name, part in embedded.items()}
    body = Template((STATIC / "body.html").read_text()).substitute(markup)
    page = make_html_document("evalharness report", body, STYLES, SCRIPTS, FILE_POLICY)
    (folder / "index.html").write_text(page, encoding="utf-8")
