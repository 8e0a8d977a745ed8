"""Fetches benchmark data for machines without a network: checked, and in the form that a data folder has."""

import contextlib
import gzip
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalharness.data.cards import Card, HubSource, TaskEntry, Version, find_task
from evalharness.data.hub import OR_DATA, hub_files
from evalharness.data.loading import Loaded, Source, find_version, load_records, pulled_path
from evalharness.errors import UserError


@dataclass(frozen=True)
class Pulled:
    """A version of a task's data in the folder, or why it is not there (`error`)."""

    task: str
    version: str
    problems: int = 0
    path: Path | None = None
    error: str = ""


def pull(tasks: Sequence[str], folder: Path, every_version: bool = False) -> Iterator[Pulled]:
    """Puts the default version, or every one, of each task into the folder, each as soon as it is there.

    What cannot be had, or is not what the task's card says by its fingerprint, is told and left out; what is there
    already is kept. Raises UserError for an unknown task and a folder that cannot be written.
    """
    for task in tasks:
        card, entry = find_task(task)
        for name, version in entry.versions.items():
            published = version.hub is not None or version.evalplus is not None
            if name == entry.default_version or (every_version and published):
                for split in entry.splits if version.by_split else [None]:
                    yield _pull(card, entry, find_version(entry, name, split), folder)


def _pull(card: Card, entry: TaskEntry, version: Version, folder: Path) -> Pulled:
    if version.hub is not None and version.hub.files:
        return _pull_files(card, entry, version, version.hub, folder)
    path = pulled_path(entry, version, folder)
    try:
        source: Source = folder if path.exists() else "hub"
        loaded = load_records(card, entry, version.name, source, version.split or None)
        if version.fingerprint and not loaded.official:
            raise UserError(
                f"{path} holds other data; remove it"
                if path.exists()
                else f"{loaded.origin} does not hold the data that the card names ({loaded.fingerprint[:19]}...)"
            )
    except UserError as error:
        return Pulled(entry.name, version.name, error=_why(error))
    if not path.exists():
        _write(path, loaded)
    return Pulled(entry.name, version.name, len(loaded.records), path)


def _pull_files(card: Card, entry: TaskEntry, version: Version, hub: HubSource, folder: Path) -> Pulled:
    """The same for a version that is published as the files that a data folder has."""
    paths = [folder / name for name in version.file]
    try:
        if not all(path.exists() for path in paths):
            for source, path in zip(hub_files(hub), paths, strict=True):
                _copy(source, path)
        loaded = load_records(card, entry, version.name, folder)
        if version.sha256 and not loaded.official:
            raise UserError(f"{paths[0].parent} does not hold the data that the card names; remove it")
    except UserError as error:
        return Pulled(entry.name, version.name, error=_why(error))
    return Pulled(entry.name, version.name, len(loaded.records), paths[0].parent)


def _why(error: UserError) -> str:
    return str(error).removesuffix(OR_DATA)


def _copy(source: Path, path: Path) -> None:
    with _whole(path) as part:
        shutil.copyfile(source, part)


def _write(path: Path, loaded: Loaded) -> None:
    with _whole(path) as part, gzip.open(part, "wt", encoding="utf-8") as file:
        for record in loaded.records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A place to write the file to, so that it is there whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another folder with --dir") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
