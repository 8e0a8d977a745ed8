"""Loads the records of a task from a folder, the hub or the bundled sample, and checks whether they are official."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from evalharness.data.cards.schema import TaskCard, TaskEntry
from evalharness.data.cards.version_schema import DataVersion
from evalharness.data.evalplus_release import load_evalplus_records
from evalharness.data.files import Record, read_records
from evalharness.data.hub import download_hub_files, load_hub_records
from evalharness.data.record_fields import check_records, with_adapter_fields
from evalharness.data.shipped import paths_of_shipped_data
from evalharness.data.sources import DataSource, check_data_folder
from evalharness.data.task_ids import natural_sort_key
from evalharness.data.versions import find_version, version_files
from evalharness.errors import NoBundledDataSample, UserError

EVALPLUS_OVERRIDES = {"HumanEvalPlus": "HUMANEVAL_OVERRIDE_PATH", "MbppPlus": "MBPP_OVERRIDE_PATH"}
"""The evalplus package's environment variables that name a file to use instead of its release."""


SHIPPED_ORIGIN_PREFIX = "shipped with the card: "
"""The beginning of `LoadedData.origin` for data that come with the task's card."""


@dataclass(frozen=True)
class LoadedData:
    """The loaded records of one version of a task's data, ordered by task_id."""

    records: list[Record]
    origin: str
    """Where the records come from, such as "hub REPOSITORY@REVISION"."""
    fingerprint: str
    is_official: bool
    """Whether the records are those that the task card describes, by its fingerprint or its checksums of the files."""


def load_records(
    card: TaskCard,
    entry: TaskEntry,
    version_name: str | None,
    source: DataSource,
    split: str | None = None,
    first_and_last_file: tuple[int, int] | None = None,
) -> LoadedData:
    """Returns the records of one version of a task's data; if `version_name` is None, of the default version.

    `split` is used only if each split has its own files. `first_and_last_file` selects a range of the version's files,
    counted from 1; None selects all. Raises UserError if some data are not in `source`; no other source is tried.
    """
    version = find_version(entry, version_name, split)
    if first_and_last_file is not None:
        first, last = first_and_last_file
        version = _with_selected_files(version, slice(first - 1, last))
    records, origin, checksums = _read_version_records(card, entry, version, source, split)
    records = [record for record in records if all(record.get(field) == value for field, value in entry.where.items())]
    records = _with_task_ids(card, entry, with_adapter_fields(records, version.fields))
    records = sorted(records, key=lambda record: natural_sort_key(record.get("task_id")))
    check_records(records, version.fields, f"{entry.name} ({origin})")
    digest = compute_fingerprint(records, version.fields)
    official = _is_official_data(version, digest, checksums)
    return LoadedData(records, origin, digest, official)


def _with_task_ids(card: TaskCard, entry: TaskEntry, records: Iterable[Record]) -> list[Record]:
    """Returns the records with a field `task_id`: a copy of the field that the card's `id_field` names.

    If `id_field` is None, the ids are the task's name and the record's number from 0, such as my-task/0.
    """
    if card.id_field is None:
        return [{"task_id": f"{entry.name}/{number}", **record} for number, record in enumerate(records)]
    return [{"task_id": record[card.id_field], **record} if card.id_field in record else record for record in records]


def _is_official_data(version: DataVersion, fingerprint: str, checksums: tuple[str, ...]) -> bool:
    """Returns whether loaded data are those that the card describes.

    This is decided by the card's file checksums or, if it has none, by its fingerprint.
    Data that come with a card that has neither are official.
    """
    if version.sha256:
        return checksums == version.sha256
    return fingerprint == version.fingerprint or bool(version.shipped and version.fingerprint is None)


def compute_fingerprint(records: Iterable[Record], fields: Iterable[str]) -> str:
    """Returns the fingerprint of data records: "sha256:" and a hash in hexadecimal.

    The hash is that of a text with one line per record: its `fields` as canonical JSON.
    """
    digest = hashlib.sha256()
    for record in records:
        content = {field: record[field] for field in fields}
        digest.update(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii"))
        digest.update(b"\n")
    return f"sha256:{digest.hexdigest()}"


def _with_selected_files(version: DataVersion, file_range: slice) -> DataVersion:
    hub = version.hub and version.hub.model_copy(update={"files": version.hub.files[file_range]})
    files = {"file": version.file[file_range], "sha256": version.sha256[file_range]}
    return version.model_copy(update={**files, "hub": hub})


class _RecordsWithOrigin(NamedTuple):
    """The records of a data version as read from its source, and a description of this source."""

    records: list[Record]
    origin: str
    """Where they come from, such as "hub REPOSITORY@REVISION"."""
    checksums: tuple[str, ...] = ()
    """The sha256 of each file, if the card states checksums."""


def _read_version_records(
    card: TaskCard, entry: TaskEntry, version: DataVersion, source: DataSource, split: str | None
) -> _RecordsWithOrigin:
    """Returns the records of a data version, read from `source`, with their origin and the checksums of the files."""
    if version.shipped and source != "sample":
        paths = paths_of_shipped_data(card.folder, version.shipped)
        origin = SHIPPED_ORIGIN_PREFIX + ", ".join(map(str, paths))
        return _RecordsWithOrigin(_read_records_of_files(paths), origin, _file_checksums(paths, version))
    if isinstance(source, Path):
        check_data_folder(source)
        paths = version_files(entry, version, source)
        _raise_if_only_other_versions_exist(entry, version, paths, source)
        return _RecordsWithOrigin(_read_records_of_files(paths), f"folder {source}", _file_checksums(paths, version))
    if source == "sample":
        return _RecordsWithOrigin(_read_bundled_sample_data(card, entry, version, split), "sample")
    if version.hub is not None and version.hub.files:
        paths = download_hub_files(version.hub)
        origin = f"hub {version.hub.repo}@{version.hub.revision or 'main'}"
        return _RecordsWithOrigin(_read_records_of_files(paths), origin, _file_checksums(paths, version))
    return _read_published_records(entry, version, use_override=version.name == entry.default_version)


def _read_records_of_files(paths: Sequence[Path]) -> list[Record]:
    return [record for path in paths for record in read_records(path)]


def _raise_if_only_other_versions_exist(
    entry: TaskEntry, version: DataVersion, paths: Sequence[Path], folder: Path
) -> None:
    """Raises UserError if a file of the version is missing and the folder has other versions of the task's data.

    The message names these versions. They are never used instead, since their results would not be comparable.
    """
    missing = next((path for path in paths if not path.exists()), None)
    if missing is None:
        return
    versions = [find_version(entry, name, version.split or None) for name in entry.versions]
    present_versions = [
        other.name for other in versions if all(path.exists() for path in version_files(entry, other, folder))
    ]
    if present_versions:
        choices = " or ".join(f"version={name}" for name in present_versions)
        is_published = version.hub is not None or version.evalplus is not None
        remedy = f"{'use --data hub, or ' if is_published else 'use '}another version that the folder has"
        file = missing.relative_to(folder) if missing.is_relative_to(folder) else missing
        raise UserError(
            f"the data folder {folder} lacks version {version.name} of {entry.name} ({file}); {remedy}: "
            f"--option {choices}"
        )


def _file_checksums(paths: Sequence[Path], version: DataVersion) -> tuple[str, ...]:
    """Returns the sha256 of each data file, in hexadecimal; an empty tuple if the card has no checksums to compare."""
    if not version.sha256:
        return ()
    checksums = []
    for path in paths:
        with path.open("rb") as file:
            checksums.append(hashlib.file_digest(file, "sha256").hexdigest())
    return tuple(checksums)


def _read_bundled_sample_data(
    card: TaskCard, entry: TaskEntry, version: DataVersion, split: str | None
) -> list[Record]:
    if version.name != entry.default_version:
        raise UserError(
            f"the bundled sample of {entry.name} has no version {version.name!r}; leave out --option version="
        )
    if entry.versions[version.name].has_files_per_split and split not in (None, entry.default_split):
        raise UserError(f"the bundled sample of {entry.name} has no split {split!r}; leave out --option split=")
    path = card.folder / "samples" / f"{entry.name}.jsonl"
    if not path.is_file():
        remedy = "leave --data out" if version.shipped else "use --data DIR or --data hub"
        raise NoBundledDataSample(f"no sample data are bundled for {entry.name}; {remedy}")
    return read_records(path)


def _read_published_records(entry: TaskEntry, version: DataVersion, *, use_override: bool) -> _RecordsWithOrigin:
    """Returns the records of a data version, and their origin, from EvalPlus's release or the Hugging Face hub.

    With `use_override`, the file in EvalPlus's environment variable (`EVALPLUS_OVERRIDES`) replaces the release.
    """
    if version.evalplus is not None:
        variable = EVALPLUS_OVERRIDES[version.evalplus.name]
        override = os.environ.get(variable) if use_override else None
        if override:
            return _RecordsWithOrigin(read_records(Path(override)), f"{variable} {override}")
        origin = f"evalplus {version.evalplus.name} {version.evalplus.version} {version.evalplus.variant}"
        return _RecordsWithOrigin(load_evalplus_records(version.evalplus), origin)
    if version.hub is not None:
        origin = f"hub {version.hub.repo}@{version.hub.revision or 'main'}"
        return _RecordsWithOrigin(load_hub_records(version.hub), origin)
    raise UserError(
        f"the data of {entry.name}, version {version.name}, are not on the Hugging Face hub; use --data DIR"
    )
