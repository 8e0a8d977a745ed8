"""Finds and loads finished runs for the reports."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from evalharness.data.run_files import MANIFEST, SUMMARY
from evalharness.data.run_types import Manifest, Summary
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.util.text import counted

MAX_DEPTH = 4
"""Number of folder levels below a given path that are searched for run directories."""


def load_runs(paths: Sequence[Path], note: Callable[[str], None] = lambda text: None) -> list[Run]:
    """Returns the finished runs in the given folders and their subfolders, without duplicates, in the given order.

    `note` is called with the number of unfinished runs, which are omitted. Raises UserError if a path has no finished
    run, or if a run's files cannot be read.
    """
    runs: dict[Path, Run] = {}
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path} is not a folder; give a run directory, or a folder of run directories")
        folders = list(find_run_folders(path))
        if not folders:
            raise UserError(
                f"{path} has no run: neither it nor a folder below it has a {MANIFEST}; give another folder"
            )
        finished = [folder for folder in folders if (folder / SUMMARY).exists()]
        unfinished = len(folders) - len(finished)
        if not finished:
            raise UserError(
                f"{path} has no finished run (no {SUMMARY}); finish the run with the same command that started it"
            )
        if unfinished:
            note(f"{counted(unfinished, 'unfinished run')} in {path} omitted; run their commands again to finish them")
        for folder in finished:
            runs.setdefault(folder.resolve(), _open_finished_run(folder))
    return list(runs.values())


def _open_finished_run(folder: Path) -> Run:
    """Opens the finished run in a folder. Raises UserError if its manifest or summary cannot be read."""
    manifest = cast(Manifest, _read_json_object(folder / MANIFEST))
    return Run(folder, manifest, cast(Summary, _read_json_object(folder / SUMMARY)))


def find_run_folders(folder: Path, max_depth: int = MAX_DEPTH) -> Iterator[Path]:
    """Yields the run directories at or below a folder, sorted; the subfolders of a run directory are not searched."""
    if (folder / MANIFEST).exists():
        yield folder
    elif max_depth:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from find_run_folders(child, max_depth - 1)


def _read_json_object(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a run's file. Keys are not checked, since earlier versions wrote other keys."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not JSON"
        raise UserError(
            f"{path} cannot be read ({reason}); leave out its run directory, or repeat that run with another --out"
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a valid file of a run, because it has no JSON object; do not give its folder")
    return content
