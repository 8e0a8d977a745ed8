"""Runs as the reports read them: a run directory, or a folder with run directories somewhere in it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness.data.run_files import read_rows
from evalharness.errors import UserError
from evalharness.records import Completion, Verdict
from evalharness.util.text import counted

DEPTH = 4
"""How far below a folder run directories are looked for."""


@dataclass(frozen=True)
class RunRecord:
    """A finished run. Manifest and summary are in memory, the rows are read when they are asked for."""

    folder: Path
    manifest: Mapping[str, Any] = field(repr=False)
    summary: Mapping[str, Any] = field(repr=False)

    def completions(self) -> Iterator[Completion]:
        """The completions in the order of writing. Raises UserError at a damaged line."""
        return read_rows(self.folder / "completions.jsonl", Completion)

    def verdicts(self) -> Iterator[Verdict]:
        """The verdicts in the order of writing. Raises UserError at a damaged line."""
        return read_rows(self.folder / "verdicts.jsonl", Verdict)


def load_runs(paths: Sequence[Path], note: Callable[[str], None] = lambda text: None) -> list[RunRecord]:
    """The runs at or below each path, each once, in the order of the paths and of the names within one.

    A run that is named itself must be finished; below a folder unfinished ones are left out, and `note` is told so.
    Raises UserError where a path holds no run, or where a run's files cannot be read.
    """
    found: dict[Path, RunRecord] = {}
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path} is no folder; give a run directory, or a folder of run directories")
        folders = list(run_folders(path))
        if not folders:
            raise UserError(f"{path} holds no run (no manifest.json in it or in the folders below)")
        finished = [folder for folder in folders if (folder / "summary.json").exists()]
        unfinished = len(folders) - len(finished)
        if not finished:
            raise UserError(f"{path} holds no finished run (no summary.json); the command that began it finishes it")
        if unfinished:
            note(f"{counted(unfinished, 'unfinished run')} in {path} left out; the same command finishes each")
        for folder in finished:
            record = RunRecord(folder, _read(folder / "manifest.json"), _read(folder / "summary.json"))
            found.setdefault(folder.resolve(), record)
    return list(found.values())


def run_folders(path: Path, depth: int = DEPTH) -> Iterator[Path]:
    """The run directories at or below a folder, sorted. None lies within another."""
    if (path / "manifest.json").exists():
        yield path
    elif depth:
        for child in sorted(path.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from run_folders(child, depth - 1)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        todo = "run its command again with another --out, or leave the folder out"
        raise UserError(f"{path} cannot be read; {todo}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} does not hold a run; leave the folder out")
    return value
