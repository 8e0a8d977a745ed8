"""The report page: a folder of plain files that a browser opens from the disk, without a server or a network.

It holds index.html, static/ (the same for every report) and data/ (runs.js, and a folder of chunks for each run).
"""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template

from evalharness.errors import UserError
from evalharness.report.naming import name_runs
from evalharness.report.page.breakdowns import breakdowns
from evalharness.report.page.chunks import write_script
from evalharness.report.page.overview import Entry, entry, names_of, settings
from evalharness.report.page.pictures import frontier, leaderboard
from evalharness.report.page.prompts import problems_of
from evalharness.report.page.rows import write_run
from evalharness.report.published import PublishedPoint
from evalharness.report.runs import RunRecord

STATIC = Path(__file__).with_name("static")
MARK = Path("data/runs.js")
"""A folder that has it is a report, and may be written again."""


def write_page(
    runs: Sequence[RunRecord],
    out: Path,
    data: str | None = None,
    published: Sequence[PublishedPoint] = (),
    note: Callable[[str], None] = lambda text: None,
) -> Path:
    """Writes the report of the runs to the folder `out`, and returns the page to be opened.

    `data` is where the problems' prompts are read from (`problems_of`); `note` is told of each run that lacks them.
    `published` points stand beside the runs in frontier and leaderboard.
    The folder is made anew in whole: a report that was there stays until the new one is written.
    Raises UserError for a folder that holds something else, and for runs that cannot be read.
    """
    out = out.resolve()
    check_folder(out)
    new = out.with_name(f".{out.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        _write(runs, new, data, published, note)
        shutil.rmtree(out, ignore_errors=True)
        os.replace(new, out)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another folder with --out") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return out / "index.html"


def check_folder(out: Path) -> None:
    """Raises UserError for a folder that is neither new nor empty nor a report, so that nothing else is lost."""
    if out.exists() and not (out.is_dir() and ((out / MARK).exists() or not any(out.iterdir()))):
        raise UserError(f"{out} holds something that is not a report; choose another folder with --out")


def _write(
    runs: Sequence[RunRecord],
    folder: Path,
    data: str | None,
    published: Sequence[PublishedPoint],
    note: Callable[[str], None],
) -> None:
    shutil.copytree(STATIC, folder / "static", ignore=shutil.ignore_patterns("index.html"))
    entries = []
    for run, name, shown in zip(runs, names_of(runs), name_runs(runs), strict=True):
        one = Entry(run, name, shown, problems_of(run, data))
        if one.problems.missing:
            note(f"{run.folder}: without prompts. {one.problems.missing}")
        write_run(run, folder / "data", name, one.problems)
        write_script(folder / "data", f"{name}/settings", settings(run))
        entries.append(one.without_problems())
    pictures = {"frontier": frontier(runs, published), "leaderboard": leaderboard(runs, published)}
    report = {
        "runs": [entry(one) for one in entries],
        "breakdowns": breakdowns(entries),
        "missing": {name: picture.missing for name, picture in pictures.items()},
        "notes": list(pictures["frontier"].notes.items()),
    }
    write_script(folder / "data", "runs", report)
    page = Template((STATIC / "index.html").read_text())
    markup = {name: picture.markup for name, picture in pictures.items()}
    (folder / "index.html").write_text(page.substitute(markup), encoding="utf-8")
