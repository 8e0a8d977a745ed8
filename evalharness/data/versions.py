"""Selects the version of a task's data that a run uses, and its files in a data folder."""

from pathlib import Path

from evalharness.data.cards.schema import TaskEntry
from evalharness.data.cards.version_schema import DataVersion
from evalharness.data.sources import DataSource, DataSources
from evalharness.errors import UserError
from evalharness.util.suggest import unknown_name_message


def find_version(entry: TaskEntry, version_name: str | None, split: str | None = None) -> DataVersion:
    """Returns the version of a task's data that has this name; for None, the task's default version.

    If each split has its own files, the result has only the files of `split`; for None, those of the default split.
    Raises UserError for an unknown name.
    """
    if version_name is not None and version_name not in entry.versions:
        raise UserError(unknown_name_message(f"version of {entry.name}", version_name, list(entry.versions)))
    version = entry.versions[version_name or entry.default_version]
    return version.for_split(entry.values, split or entry.default_split)


def choose_data_source(entry: TaskEntry, sources: DataSources) -> DataSource:
    """Returns the source to load a task's data from.

    Of several data folders, it is the first that has files of the task; if none has, the first folder.
    """
    if not isinstance(sources, tuple):
        return sources
    return next((folder for folder in sources if _has_files_of_task(entry, folder)), sources[0])


def _has_files_of_task(entry: TaskEntry, folder: Path) -> bool:
    """Returns whether a data folder has a file of any version of a task's data."""
    for version in entry.versions.values():
        for split in entry.splits if version.has_files_per_split else [None]:
            split_version = version.for_split(entry.values, split)
            if any(path.exists() for path in version_files(entry, split_version, folder)):
                return True
    return False


def version_files(entry: TaskEntry, version: DataVersion, folder: Path) -> list[Path]:
    """Returns the paths of a data version's files in a data folder; the files may be missing.

    These are the official files. If one of them is missing, and the folder has the file that `evalharness data pull`
    writes for the version, returns the path of this file alone.
    """
    if version.hub is not None and version.hub.files:  # `data pull` stores these under their official names.
        return [folder / name for name in version.file]
    official, pulled = [folder / name for name in version.file], path_of_pulled_data(entry, version, folder)
    return official if not pulled.exists() or all(path.exists() for path in official) else [pulled]


def path_of_pulled_data(entry: TaskEntry, version: DataVersion, folder: Path) -> Path:
    """Returns the path at which `evalharness data pull` stores a version of a task's data below a data folder."""
    parts = [entry.name, version.name, *([version.split] if version.split else [])]
    return folder / "pulled" / f"{'.'.join(parts)}.jsonl.gz"
