"""Checks what an output folder contains before a run: nothing, a run to resume, or folders of several tasks' runs."""

from pathlib import Path

from evalharness.data.run_files import COMPLETIONS, MANIFEST, SUMMARY, VERDICTS
from evalharness.errors import UserError
from evalharness.util.jsonl import read_complete_lines

ROW_FILES = (COMPLETIONS, VERDICTS)
RUN_FILES = (MANIFEST, *ROW_FILES, SUMMARY)


def has_completions_or_verdicts(folder: Path) -> bool:
    """Returns whether a run directory contains a completion, or a verdict with a status other than "infrastructure"."""
    if next(read_complete_lines(folder / COMPLETIONS), None):
        return True
    return any(b'"status": "infrastructure"' not in line for _, line in read_complete_lines(folder / VERDICTS))


def check_no_unrelated_files(folder: Path) -> None:
    """Raises UserError if a folder that is no run directory contains subfolders or non-hidden files.

    A new run is only written into a folder without them.
    """
    contents = _list_subfolders_and_visible_files(folder)
    runs = [path for path in contents if (path / MANIFEST).exists()]
    if runs:
        names = ", ".join(path.name for path in runs)
        raise UserError(
            f"{folder} has runs of several tasks ({names}); give one of their folders, such as --out {runs[0]}"
        )
    if contents:
        raise UserError(_describe_unrelated_files(folder, contents))


def check_multi_task_folder(folder: Path) -> None:
    """Raises UserError if the output folder of several tasks is itself a run directory, or has files but no run."""
    if (folder / MANIFEST).exists():
        raise UserError(
            f"{folder} is the run directory of one task; choose another folder with --out for several tasks"
        )
    contents = _list_subfolders_and_visible_files(folder)
    if contents and not any((path / MANIFEST).exists() for path in contents):
        raise UserError(_describe_unrelated_files(folder, contents))


def check_overwritable(folder: Path, samples_file_to_grade: str | None) -> None:
    """Raises UserError if --overwrite would delete the samples file to grade, or if the folder has files but no run."""
    if samples_file_to_grade is not None and Path(samples_file_to_grade).resolve().parent == folder.resolve():
        raise UserError(
            f"--overwrite would delete the samples file {samples_file_to_grade}; write to another folder with --out"
        )
    if not any((folder / name).exists() for name in RUN_FILES):
        check_no_unrelated_files(folder)


def _list_subfolders_and_visible_files(folder: Path) -> list[Path]:
    """Returns all subfolders and the non-hidden files of a folder, sorted; an empty list if it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() or not path.name.startswith("."))


def _describe_unrelated_files(folder: Path, unrelated_files: list[Path]) -> str:
    names = unrelated_files[0].name + (", ..." if len(unrelated_files) > 1 else "")
    return f"{folder} is not empty and is no run directory ({names}); choose a new folder with --out"


def delete_results(folder: Path) -> None:
    """Deletes the completions, verdicts and summary in a run directory. The next run replaces the manifest."""
    for name in (*ROW_FILES, SUMMARY):
        (folder / name).unlink(missing_ok=True)
