"""Downloads benchmark data into a data folder, for machines without a network, and verifies them."""

import contextlib
import gzip
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from evalharness.data.cards import find_task
from evalharness.data.cards.schema import Card, TaskEntry
from evalharness.data.cards.version_schema import DataVersion, HubSource
from evalharness.data.hub import DATA_OPTION_HINT, download_hub_files
from evalharness.data.loading import LoadedData, load_records
from evalharness.data.sources import DataSource
from evalharness.data.versions import find_version, path_of_pulled_data
from evalharness.errors import UserError
from evalharness.util.files import open_for_atomic_write


@dataclass(frozen=True)
class PulledDataVersion:
    """The result of downloading one data version of a task: the path, or why the data are not available."""

    task: str
    version: str
    problems: int = 0
    path: Path | None = None
    """The file or folder of the data; None if they are not available."""
    error: str = ""


def pull_data(task_names: Sequence[str], folder: Path, every_version: bool = False) -> Iterator[PulledDataVersion]:
    """Downloads the data of tasks, in the default or every version, and yields the result for each version.

    Data that are already in the folder are not downloaded again. Data that are not available, or do not have the card's
    fingerprint, are not stored; the result then contains the reason. Raises UserError for an unknown task, and if the
    folder is not writable.
    """
    for task in task_names:
        card, entry = find_task(task)
        for name, version in entry.versions.items():
            if version.shipped:
                continue  # The data come with the card.
            is_published = version.hub is not None or version.evalplus is not None
            if name == entry.default_version or (every_version and is_published):
                for split in entry.splits if version.has_files_per_split else [None]:
                    yield _pull_version(card, entry, find_version(entry, name, split), folder)


def _pull_version(card: Card, entry: TaskEntry, version: DataVersion, folder: Path) -> PulledDataVersion:
    if version.hub is not None and version.hub.files:
        return _pull_files(card, entry, version, version.hub, folder)
    path = path_of_pulled_data(entry, version, folder)
    try:
        source: DataSource = folder if path.exists() else "hub"
        loaded = load_records(card, entry, version.name, source, version.split or None)
        if version.fingerprint and not loaded.is_official:
            raise UserError(
                f"{path} does not have the data that the task card expects; delete it to download them again"
                if path.exists()
                else f"the data from {loaded.origin} are not those that the task card expects (their fingerprint is "
                f"{loaded.fingerprint[:19]}...); update evalharness, or run the task with another --option version="
            )
    except UserError as error:
        return PulledDataVersion(entry.name, version.name, error=_message_without_data_option(error))
    if not path.exists():
        _write_records(path, loaded)
    return PulledDataVersion(entry.name, version.name, len(loaded.records), path)


def _pull_files(card: Card, entry: TaskEntry, version: DataVersion, hub: HubSource, folder: Path) -> PulledDataVersion:
    """Downloads the files of one data version from the hub into a data folder, and verifies them."""
    paths = [folder / name for name in version.file]
    try:
        if not all(path.exists() for path in paths):
            for source, path in zip(download_hub_files(hub), paths, strict=True):
                _copy_file(source, path)
        loaded = load_records(card, entry, version.name, folder)
        if version.sha256 and not loaded.is_official:
            raise UserError(
                f"{paths[0].parent} does not have the data that the task card expects; delete it to download them again"
            )
    except UserError as error:
        return PulledDataVersion(entry.name, version.name, error=_message_without_data_option(error))
    return PulledDataVersion(entry.name, version.name, len(loaded.records), paths[0].parent)


def _message_without_data_option(error: UserError) -> str:
    """Returns an error's message without the hint about --data, an option that `data pull` does not have."""
    return str(error).removesuffix(DATA_OPTION_HINT)


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as original, _open_for_atomic_write(target) as copy:
        shutil.copyfileobj(original, copy)


def _write_records(path: Path, loaded: LoadedData) -> None:
    with _open_for_atomic_write(path) as compressed, gzip.open(compressed, "wt", encoding="utf-8") as file:
        for record in loaded.records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def _open_for_atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file that appears only when it is written completely; creates its folder. Raises UserError on failure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_for_atomic_write(path) as file:
            yield file
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another folder with --dir") from None
