"""Joins the run directories of shards into one that is as a single run would have left it."""

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from evalharness.errors import UserError
from evalharness.metrics.tokenizing import BUNDLED_NAME
from evalharness.pipeline.pipeline import Prepared, RunConfig, Summary, figures, prepare
from evalharness.pipeline.shard import parse_shard
from evalharness.pipeline.store import differences, read_manifest, whole_lines, write_json
from evalharness.records import Key
from evalharness.report.runs import run_folders
from evalharness.util.text import counted

COUNTED = ("shard", "problems", "problems_of_task", "samples", "asked", "metrics", "facets", "speed", "statuses")
"""What of a shard's summary is its own."""


@dataclass(frozen=True)
class Shared:
    """The run that shards are shares of, and the manifest of each of them by directory."""

    config: Mapping[str, Any]
    manifests: Mapping[Path, Mapping[str, Any]]
    one: Prepared
    asked: int


@dataclass(frozen=True)
class Merged:
    """A joined run directory. `missing` says, in sentences, why it is not whole; it is empty if it is."""

    folder: Path
    summary: Summary
    missing: tuple[str, ...]


def merge(out: Path, runs: Sequence[Path], data: str | None = None, ks: tuple[int, ...] = ()) -> list[Merged]:
    """Joins runs of one task into `out`; folders with a run for each of several tasks task by task, below it.

    `data` is where the tasks' data are, as in a run. Nothing is written before all is known to fit, and each run whole
    or not at all. Raises UserError, naming the first difference or overlap, for what are no disjoint shares of one run.
    """
    groups: dict[Path, list[Path]] = {}
    for run in runs:
        if not (found := list(run_folders(run)) if run.is_dir() else []):
            raise UserError(f"{run} holds no run (no manifest.json in it or in the folders below)")
        for folder in found:
            groups.setdefault(folder.relative_to(run), []).append(folder)
    for place, folders in groups.items():
        if len({folder.resolve() for folder in folders}) < len(folders):
            raise UserError(f"a run directory is named twice, or overlaps with itself: {folders[0]}; name each once")
        if (out / place).exists() and any((out / place).iterdir()):
            raise UserError(f"{out / place} is not empty; name a new folder to merge into")
    shared = {place: _shared(folders, data, ks) for place, folders in groups.items()}
    return [_write(out / place, of_one) for place, of_one in shared.items()]


def _shared(folders: Sequence[Path], data: str | None, ks: tuple[int, ...]) -> Shared:
    """Checks that the directories are shares of one run."""
    manifests = {folder: read_manifest(folder) for folder in folders}
    configs = {folder: _without_shard(manifest["config"]) for folder, manifest in manifests.items()}
    first, config = next(iter(configs.items()))
    for folder, other in configs.items():
        for place, old, new in differences(config, other):
            raise UserError(f"{first} and {folder} are no shards of one run: {place} is {old} here, {new} there")
    counts = {shard.of for shard in map(_shard, manifests.values()) if shard}
    if len(counts) > 1:
        raise UserError(f"the runs are shards of different numbers of shards: {', '.join(map(str, sorted(counts)))}")
    for folder in folders:
        _refuse_if_held(folder)
    one = _reopen(config, data, ks, _tokenizer(folders))
    asked = config["backend"]["samples"] if "file" in config["samples"] else one.n * len(one.problems)
    return Shared(config, manifests, one, asked)


def _tokenizer(folders: Sequence[Path]) -> str | None:
    """The common tokenizer that the finished runs counted by; None for the bundled one.

    Raises UserError where they counted by several: their sum would mean nothing.
    """
    speeds = [summary.get("speed", {}) for summary in map(_summary, folders) if summary]
    names = {name for speed in speeds if (name := speed.get("tokenizer"))}
    if len(names) > 1:
        raise UserError(f"the runs counted by several tokenizers ({', '.join(sorted(names))}); end them with one")
    return next((name for name in names if not name.startswith(BUNDLED_NAME)), None)


def _reopen(config: Mapping[str, Any], data: str | None, ks: tuple[int, ...], tokenizer: str | None) -> Prepared:
    """The task as the runs had it. Raises UserError where the data at hand are others."""
    task, samples, sampling = config["task"], config["samples"], config["sampling"]
    name = task["name"].removesuffix("-sample")
    options = {"version": task["version"], "recipe": task["recipe"]["name"], "split": task["split"], **task["options"]}
    one = prepare(
        RunConfig(
            name, config["backend"]["name"], config["backend"]["model"], samples.get("limit"), samples.get("n"), ks,
            sampling["temperature"], sampling["top_p"], sampling["max_new_tokens"], sampling["seed"],
            data=data if name == task["name"] else "sample", tokenizer=tokenizer, only=tuple(samples.get("only", ())),
            options={key: value for key, value in options.items() if value is not None},
        )
    )  # fmt: skip
    if one.context.loaded.fingerprint != task["data"]["fingerprint"]:
        raise UserError(f"the data of {name} at hand are not those of the runs; name those with --data")
    return one


def _write(out: Path, shared: Shared) -> Merged:
    """Writes the joined directory beside its place, and puts it there when it is whole."""
    part = out.with_name(out.name + ".part")
    header = _header(shared)
    try:
        if part.exists():
            shutil.rmtree(part)
        part.mkdir(parents=True)
        _join(part / "completions.jsonl", shared)
        judged = _join(part / "verdicts.jsonl", shared)
        environments = [manifest["environment"] for manifest in shared.manifests.values()]
        around = {**environments[0], "merged": environments}
        write_json(part / "manifest.json", {"config": shared.config, "environment": around})
        summary = {**header, **figures(shared.one, part, shared.asked)}
        write_json(part / "summary.json", summary)
        if out.exists():
            out.rmdir()
        part.rename(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; make room, or choose another folder") from None
    return Merged(out, summary, tuple(_missing(shared, shared.asked - judged)))


def _header(shared: Shared) -> Summary:
    """What the shards' summaries have in common, from one that is finished."""
    for summary in map(_summary, shared.manifests):
        if summary:
            return {key: value for key, value in summary.items() if key not in (*COUNTED, "infrastructure")}
    raise UserError(f"none of the runs is finished, such as {next(iter(shared.manifests))}; finish one at least")


def _summary(folder: Path) -> Summary:
    """The summary of a run; empty for an unfinished one."""
    try:
        found: Summary = json.loads((folder / "summary.json").read_bytes())
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise UserError(f"{folder / 'summary.json'} cannot be read; the command that made it mends it") from None


def _join(path: Path, shared: Shared) -> int:
    """Writes the lines of all runs' files of that name, in the order of problems and samples; how many there are."""
    places = {task_id: place for place, task_id in enumerate(shared.one.problems)}
    found: dict[Key, tuple[Path, int]] = {}
    for folder in shared.manifests:
        for key, offset in _keys(folder / path.name):
            if key[0] not in places:
                raise UserError(f"{folder / path.name} has a row of {key[0]}, which is none of the task's; remove it")
            if key in found:
                raise UserError(
                    f"{found[key][0]} and {folder} overlap: both have sample {key[1]} of {key[0]}; leave one out"
                )
            found[key] = (folder, offset)
    files: dict[Path, IO[bytes]] = {}
    try:
        with path.open("wb") as out:
            for key in sorted(found, key=lambda key: (places[key[0]], key[1])):
                folder, offset = found[key]
                file = files.get(folder) or files.setdefault(folder, (folder / path.name).open("rb"))
                file.seek(offset)
                out.write(file.readline())
    finally:
        for file in files.values():
            file.close()
    return len(found)


def _keys(path: Path) -> Iterator[tuple[Key, int]]:
    """Which sample each line is of, and where it begins. Raises UserError at a damaged line."""
    offset = 0
    for number, line in whole_lines(path):
        try:
            row = json.loads(line)
            yield (row["task_id"], row["sample_id"]), offset
        except (ValueError, TypeError, KeyError):
            raise UserError(f"{path}, line {number} is damaged; mend it or remove the line") from None
        offset += len(line)


def _missing(shared: Shared, samples: int) -> Iterator[str]:
    if samples <= 0:
        return
    yield f"{samples} of {counted(shared.asked, 'sample')} without a verdict"
    shards = [shard for manifest in shared.manifests.values() if (shard := _shard(manifest))]
    if shards and (absent := sorted(set(range(1, shards[0].of + 1)) - {shard.number for shard in shards})):
        yield f"not among the runs: {', '.join(f'{number}/{shards[0].of}' for number in absent)}"
    for folder in shared.manifests:
        if not (folder / "summary.json").exists():
            yield f"{folder} is not finished"


def _shard(manifest: Mapping[str, Any]) -> Any:
    """The share that a manifest is of; None for a whole run."""
    text = manifest["config"]["samples"].get("shard")
    return parse_shard(text) if text else None


def _without_shard(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the whole run."""
    samples = {key: value for key, value in config["samples"].items() if key != "shard"}
    return {**config, "samples": samples}


def _refuse_if_held(folder: Path) -> None:
    """Raises UserError where a process is still writing to the directory."""
    try:
        with (folder / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"an evalharness process is working in {folder}; wait until it has ended") from None
    except OSError:
        return  # there is no such file in a copy of a run, and no locks on some file systems
