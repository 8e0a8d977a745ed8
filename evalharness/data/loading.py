"""Loads the records of a task from a folder, the hub or the bundled sample, and says whether they are official."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalharness.data.cards import Card, TaskEntry, Version
from evalharness.data.files import Record, read_records
from evalharness.data.hub import evalplus_records, hub_files, hub_records
from evalharness.errors import NoSample, UserError
from evalharness.util.suggest import unknown_name

Source = Path | Literal["hub", "sample"]

_OVERRIDES = {"HumanEvalPlus": "HUMANEVAL_OVERRIDE_PATH", "MbppPlus": "MBPP_OVERRIDE_PATH"}
"""The evalplus package's own variables for a file to be used instead of its release."""


@dataclass(frozen=True)
class Loaded:
    """The records of a version in the order of their ids, where they came from, and what they are."""

    records: list[Record]
    origin: str
    fingerprint: str
    official: bool
    """Whether they are what the card names: by the fingerprint, or by the sha256 of the files."""


def resolve_source(option: str | None) -> Source:
    """The source that `--data` names, else `$EVALHARNESS_DATA`, else the hub.

    Raises UserError for a folder that does not exist.
    """
    name = option or os.environ.get("EVALHARNESS_DATA") or "hub"
    if name == "hub":
        return "hub"
    if name == "sample":
        return "sample"
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise UserError(f"data folder {folder} does not exist; name one that does, or use --data hub or sample")
    return folder.resolve()


def find_version(entry: TaskEntry, name: str | None, split: str | None = None, source: Source = "hub") -> Version:
    """The named version of a task's data, or the source's default one. Raises UserError for an unknown name."""
    if name is not None and name not in entry.versions:
        raise UserError(unknown_name(f"version of {entry.name}", name, list(entry.versions)))
    return entry.versions[name or _default_version(entry, source)].of(entry.values, split or entry.default_split)


def _default_version(entry: TaskEntry, source: Source) -> str:
    official = entry.versions[entry.default_version]
    if entry.default_folder_version is None or not isinstance(source, Path):
        return official.name
    return official.name if any((source / name).exists() for name in official.file) else entry.default_folder_version


def load_records(
    card: Card,
    entry: TaskEntry,
    version: str | None,
    source: Source,
    split: str | None = None,
    release: tuple[int, int] | None = None,
) -> Loaded:
    """All records of a version (None: the default one): of every split, unless each lies in a file of its own.

    Of a release only the files that it names.

    Raises UserError where the source does not have them whole; it never tries another source.
    """
    chosen = find_version(entry, version, split, source)
    if release is not None:
        chosen = _narrowed(chosen, slice(release[0] - 1, release[1]))
    records, origin, digests = _read(card, entry, chosen, source, split)
    records = [
        {"task_id": record[card.id_field], **record} if card.id_field in record else record
        for record in records
        if all(record.get(field) == value for field, value in entry.where.items())
    ]
    records = sorted(records, key=lambda record: natural(record.get("task_id")))
    _check(records, chosen.fields, origin)
    found = fingerprint(records, chosen.fields)
    official = digests == chosen.sha256 if chosen.sha256 else found == chosen.fingerprint
    return Loaded(records, origin, found, official)


def _narrowed(version: Version, which: slice) -> Version:
    hub = version.hub and version.hub.model_copy(update={"files": version.hub.files[which]})
    return version.model_copy(update={"file": version.file[which], "sha256": version.sha256[which], "hub": hub})


def select_split(entry: TaskEntry, records: Sequence[Record], name: str | None) -> list[Record]:
    """The records of a split, by their id; None is the default split, or all where a task has none.

    Raises UserError for a split that the task does not have.
    """
    name = name or entry.default_split
    if name is None:
        return list(records)
    if name not in entry.splits:
        raise UserError(unknown_name(f"split of {entry.name}", name, list(entry.splits)))
    chosen = entry.splits[name]
    if isinstance(chosen, str):
        return [record for record in records if str(record["task_id"]).startswith(chosen)]
    first, last = chosen
    return [record for record in records if first <= _number(record["task_id"]) <= last]


def fingerprint(records: Iterable[Record], fields: Sequence[str]) -> str:
    """A name for the content of records: sha256 over one line of canonical JSON per record, `fields` alone."""
    digest = hashlib.sha256()
    for record in records:
        kept = {field: record[field] for field in fields}
        digest.update(json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii"))
        digest.update(b"\n")
    return f"sha256:{digest.hexdigest()}"


def _read(
    card: Card, entry: TaskEntry, version: Version, source: Source, split: str | None
) -> tuple[list[Record], str, tuple[str, ...]]:
    """The records, where they came from, and the sha256 of each file where the card has any to compare."""
    if isinstance(source, Path):
        if not source.is_dir():
            raise UserError(f"data folder {source} does not exist; name one that does, or use --data hub or sample")
        paths = files_of(entry, version, source)
        _check_present(entry, version, paths, source)
        return _from_files(paths), f"folder {source}", _digests(paths, version)
    if source == "sample":
        return _sample(card, entry, version, split), "sample", ()
    if version.hub is not None and version.hub.files:
        paths = hub_files(version.hub)
        return _from_files(paths), f"hub {version.hub.repo}@{version.hub.revision or 'main'}", _digests(paths, version)
    records, origin = _published(entry, version, honour_override=version.name == entry.default_version)
    return records, origin, ()


def files_of(entry: TaskEntry, version: Version, folder: Path) -> list[Path]:
    """The files of a version in a data folder: the official ones, else what `evalharness data pull` put there."""
    if version.hub is not None and version.hub.files:  # which are pulled as they are
        return [folder / name for name in version.file]
    official, pulled = [folder / name for name in version.file], pulled_path(entry, version, folder)
    return official if not pulled.exists() or all(path.exists() for path in official) else [pulled]


def pulled_path(entry: TaskEntry, version: Version, folder: Path) -> Path:
    """Where `evalharness data pull` puts a version."""
    parts = [entry.name, version.name, *([version.split] if version.split else [])]
    return folder / "pulled" / f"{'.'.join(parts)}.jsonl.gz"


def _from_files(paths: Sequence[Path]) -> list[Record]:
    return [record for path in paths for record in read_records(path)]


def _check_present(entry: TaskEntry, version: Version, paths: Sequence[Path], folder: Path) -> None:
    """Raises UserError where a file is missing, which says the versions that are there, if there are any."""
    others = [find_version(entry, name, version.split or None) for name in entry.versions]
    files = {other.name: files_of(entry, other, folder) for other in others}
    there = [name for name, each in files.items() if all(path.exists() for path in each)]
    for path in paths:
        if there and not path.exists():
            raise UserError(
                f"data file {path} is missing; {folder} has version {', '.join(there)} of {entry.name}: name one with "
                "--option version=, or another source with --data"
            )


def _digests(paths: Sequence[Path], version: Version) -> tuple[str, ...]:
    if not version.sha256:
        return ()
    found = []
    for path in paths:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return tuple(found)


def _sample(card: Card, entry: TaskEntry, version: Version, split: str | None) -> list[Record]:
    if version.name != entry.default_version:
        raise UserError(f"the sample of {entry.name} has no version {version.name!r}; leave version= out")
    if entry.versions[version.name].by_split and split not in (None, entry.default_split):
        raise UserError(f"the sample of {entry.name} has no split {split!r}; leave split= out")
    path = card.folder / "samples" / f"{entry.name}.jsonl"
    if not path.is_file():
        raise NoSample(f"there is no sample of {entry.name}; use --data DIR or --data hub")
    return read_records(path)


def _published(entry: TaskEntry, version: Version, *, honour_override: bool) -> tuple[list[Record], str]:
    if version.evalplus is not None:
        variable = _OVERRIDES[version.evalplus.name]
        override = os.environ.get(variable) if honour_override else None
        if override:
            return read_records(Path(override)), f"{variable} {override}"
        origin = f"evalplus {version.evalplus.name} {version.evalplus.version} {version.evalplus.variant}"
        return evalplus_records(version.evalplus), origin
    if version.hub is not None:
        return hub_records(version.hub), f"hub {version.hub.repo}@{version.hub.revision or 'main'}"
    raise UserError(f"{entry.name} version {version.name} is not on the hub; use --data DIR")


def _check(records: Sequence[Record], fields: Sequence[str], origin: str) -> None:
    if not records:
        raise UserError(f"the data ({origin}) holds no records; replace it")
    seen = set()
    for record in records:
        name = str(record.get("task_id"))
        missing = [field for field in fields if field not in record]
        if missing:
            raise UserError(f"the data ({origin}) has a record {name} without {', '.join(missing)}; replace it")
        if name in seen:
            raise UserError(f"the data ({origin}) has two records {name}; replace it")
        seen.add(name)


def natural(task_id: object) -> list[tuple[str, int]]:
    """Sorts HumanEval/2 before HumanEval/10."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", str(task_id))]


def _number(task_id: object) -> int:
    digits = re.findall(r"[0-9]+", str(task_id))
    return int(digits[-1]) if digits else -1
