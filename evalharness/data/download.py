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
from evalharness.data.cards.schema import TaskCard, TaskEntry
from evalharness.data.cards.version_schema import DataVersion, HubSource
from evalharness.data.hub import DATA_OPTION_HINT, download_hub_files
from evalharness.data.loading import LoadedData, load_records
from evalharness.data.sources import DataSource
from evalharness.data.versions import find_version, path_of_pulled_data
from evalharness.errors import UserError
from evalharness.util.files import open_for_atomic_write


@dataclass(frozen=True)
class PulledDataVersion:
    """The result of downloading one data version of a task: the path of the data, or the error message."""

    task: str
    version: str
    problems: int = 0
    path: Path | None = None
    """The file or folder of the data; None if they are not available."""
    error: str = ""


def pull_data(task_names: Sequence[str], folder: Path, every_version: bool = False) -> Iterator[PulledDataVersion]:
    """Downloads the data of tasks into a folder and yields the result for each data version.

    Downloads the default version of each task, or with `every_version` all published versions. Data that are in the
    folder already are not downloaded again. If data cannot be loaded, or differ from the card's fingerprint or
    checksums, the result has the error message. Raises UserError for an unknown task, or if writing to `folder` fails.
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


def _pull_version(card: TaskCard, entry: TaskEntry, version: DataVersion, folder: Path) -> PulledDataVersion:
    if version.hub is not None and version.hub.files:
        return _pull_hub_files(card, entry, version, version.hub, folder)
    path = path_of_pulled_data(entry, version, folder)
    try:
        source: DataSource = folder if path.exists() else "hub"
        loaded = load_records(card, entry, version.name, source, version.split or None)
        if version.fingerprint and not loaded.is_official:
            raise UserError(
                f"the data in {path} are not those that the task card expects; delete the file to download them again"
                if path.exists()
                else f"the data from {loaded.origin} are not those that the task card expects (their fingerprint is "
                f"{loaded.fingerprint[:19]}...); update evalharness, or run the task with another --option version="
            )
    except UserError as error:
        return PulledDataVersion(entry.name, version.name, error=_message_without_data_option_hint(error))
    if not path.exists():
        _write_records(path, loaded)
    return PulledDataVersion(entry.name, version.name, len(loaded.records), path)


def _pull_hub_files(
    card: TaskCard, entry: TaskEntry, version: DataVersion, hub: HubSource, folder: Path
) -> PulledDataVersion:
    """Downloads the hub files of one data version into a folder, checks their checksums and returns the result."""
    paths = [folder / name for name in version.file]
    try:
        if not all(path.exists() for path in paths):
            for source, path in zip(download_hub_files(hub), paths, strict=True):
                _copy_file(source, path)
        loaded = load_records(card, entry, version.name, folder)
        if version.sha256 and not loaded.is_official:
            raise UserError(
                f"the data in {paths[0].parent} are not those that the task card expects; delete the folder to "
                "download them again"
            )
    except UserError as error:
        return PulledDataVersion(entry.name, version.name, error=_message_without_data_option_hint(error))
    return PulledDataVersion(entry.name, version.name, len(loaded.records), paths[0].parent)


def _message_without_data_option_hint(error: UserError) -> str:
    """Returns an error's message without its hint to use --data, because `evalharness data pull` has no such option."""
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
    """Opens a file for writing and creates its folder; `path` exists only after the file is written completely.

    Raises UserError if the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_for_atomic_write(path) as file:
            yield file
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another folder with --dir") from None
