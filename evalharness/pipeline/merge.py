"""Joins the run directories of shards (parts of a run) into one, with completions, verdicts and summary of one run."""

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from evalharness.data.run_files import COMPLETIONS, MANIFEST, SUMMARY, VERDICTS, read_manifest, read_summary
from evalharness.data.run_types import Environment, Manifest, ManifestConfiguration, RunStretch, Summary, SummaryResults
from evalharness.errors import UserError
from evalharness.metrics.tokenizing import BUNDLED_NAME
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.resuming.same_run import remove_transport_options
from evalharness.pipeline.resuming.stretches import join_run_stretches
from evalharness.pipeline.shard import Shard, parse_shard
from evalharness.pipeline.store import write_json
from evalharness.pipeline.summary import compute_summary_results
from evalharness.pipeline.validate import PreparedTask, prepare_task
from evalharness.records import Key
from evalharness.report.runs import find_run_folders
from evalharness.util.differences import find_differences
from evalharness.util.jsonl import read_complete_lines
from evalharness.util.text import counted

SHARD_SPECIFIC_KEYS = frozenset({"shard", *SummaryResults.__annotations__})
"""Keys of a shard's summary that are not valid for the joined run, such as the shard's pass rate."""


@dataclass(frozen=True)
class ShardedRun:
    """The checked shards of one run, before they are joined. A shard is a run over a part of the problems."""

    config: ManifestConfiguration
    manifests: Mapping[Path, Manifest]
    """The manifest of each shard, by its directory."""
    prepared: PreparedTask
    sample_count: int
    """Number of samples of the whole run."""


@dataclass(frozen=True)
class MergedRun:
    """A run joined from shards: its directory, its summary, and the reasons why it is incomplete."""

    folder: Path
    summary: Summary
    incomplete_reasons: tuple[str, ...]


def merge_shards(
    out: Path, run_folders: Sequence[Path], data_source: str | None = None, ks: tuple[int, ...] = ()
) -> list[MergedRun]:
    """Joins the shards of a run, or of one run per task, into the folder `out`; returns the joined runs.

    `run_folders` are the shards' run directories, or folders with a run directory per task; then each task is joined
    into a folder below `out`. `data_source` is the value of --data (a folder, `hub` or `sample`), `ks` the k of each
    pass@k to compute.

    All shards are checked before anything is written, and each joined run is written completely or not at all. Raises
    UserError if the folders are not disjoint shards of one run; the message names the first difference or overlap.
    """
    groups: dict[Path, list[Path]] = {}
    for run in run_folders:
        folders = list(find_run_folders(run)) if run.is_dir() else []
        if not folders:
            raise UserError(f"{run} contains no run (no {MANIFEST} in it or in its subfolders); give a run directory")
        for folder in folders:
            groups.setdefault(folder.relative_to(run), []).append(folder)
    for subfolder, folders in groups.items():
        resolved = [folder.resolve() for folder in folders]
        if repeated := next((folder for folder in folders if resolved.count(folder.resolve()) > 1), None):
            raise UserError(f"the run directory {repeated} is given twice; give each run directory once")
        if (out / subfolder).exists() and any((out / subfolder).iterdir()):
            raise UserError(f"{out / subfolder} is not empty; give a new folder to merge into")
    sharded = {subfolder: _read_and_check_shards(folders, data_source, ks) for subfolder, folders in groups.items()}
    return [_write_merged_run(out / subfolder, run) for subfolder, run in sharded.items()]


def _read_and_check_shards(shard_folders: Sequence[Path], data_source: str | None, ks: tuple[int, ...]) -> ShardedRun:
    """Returns the run whose shards are in `shard_folders`. Raises UserError if these are not shards of one run."""
    manifests = {folder: read_manifest(folder) for folder in shard_folders}
    configs = {
        folder: remove_transport_options(_remove_shard_selection(manifest["config"]))
        for folder, manifest in manifests.items()
    }
    first, first_config = next(iter(configs.items()))
    config = _remove_shard_selection(manifests[first]["config"])
    for folder, other in configs.items():
        for key_path, old, new in find_differences(first_config, other):
            raise UserError(
                f"{first} and {folder} are not shards of one run: {key_path} differs in {MANIFEST} ({old}, {new}); "
                "leave one of them out"
            )
    counts = {shard.count for shard in map(_shard_from_manifest, manifests.values()) if shard}
    if len(counts) > 1:
        raise UserError(
            f"the runs were split into different numbers of shards ({', '.join(map(str, sorted(counts)))}); give runs "
            "whose --shard I/N has the same N"
        )
    for folder in shard_folders:
        _check_not_locked(folder)
    card = next(iter(manifests.values()))["environment"].get("card")
    prepared = _prepare_task_of_shards(config, data_source, ks, _find_common_tokenizer_name(shard_folders), card)
    sample_count = config["backend"]["samples"] if "file" in config["samples"] else prepared.n * len(prepared.problems)
    return ShardedRun(config, manifests, prepared, sample_count)


def _find_common_tokenizer_name(shard_folders: Sequence[Path]) -> str | None:
    """Returns the path or hub id of the tokenizer that counted the shards' tokens; None for the bundled one.

    Raises UserError if finished shards used different tokenizers, since their counts cannot be added.
    """
    speeds = [summary["speed"] for summary in map(read_summary, shard_folders) if summary and "speed" in summary]
    names = {name for speed in speeds if (name := speed.get("tokenizer"))}
    if len(names) > 1:
        raise UserError(
            f"the shards counted tokens with different tokenizers ({', '.join(sorted(names))}); run all shards with "
            "the same --tokenizer"
        )
    return next((name for name in names if not name.startswith(BUNDLED_NAME)), None)


def _prepare_task_of_shards(
    config: ManifestConfiguration,
    data_source: str | None,
    ks: tuple[int, ...],
    tokenizer_name: str | None,
    card_task_name: str | None,
) -> PreparedTask:
    """Returns the task with the settings of the shards' run. Raises UserError if the task's data have changed.

    `card_task_name` is FILE.yaml:TASK if the user's own file (a task card) defines the task, otherwise None.
    """
    task, samples, sampling = config["task"], config["samples"], config["sampling"]
    name = task["name"].removesuffix("-sample")
    options = {"version": task["version"], "recipe": task["recipe"]["name"], "split": task["split"], **task["options"]}
    prepared = prepare_task(
        RunConfig(
            task=card_task_name or name,
            backend=config["backend"]["name"],
            model=config["backend"]["model"],
            limit=samples.get("limit"),
            n=samples.get("n"),
            ks=ks,
            temperature=sampling["temperature"],
            top_p=sampling["top_p"],
            max_new_tokens=sampling["max_new_tokens"],
            seed=sampling["seed"],
            data=data_source if name == task["name"] else "sample",
            tokenizer=tokenizer_name,
            only=tuple(samples.get("only", ())),
            options={key: value for key, value in options.items() if value is not None},
        )
    )
    if prepared.context.data.fingerprint != task["data"]["fingerprint"]:
        raise UserError(
            f"the data of the task {name} differ from those that the shards used; give the same data with --data DIR"
        )
    return prepared


def _write_merged_run(out: Path, run: ShardedRun) -> MergedRun:
    """Writes the joined run into a temporary folder beside `out`, and renames the folder to `out` when complete."""
    temporary_folder = out.with_name(out.name + ".part")
    common_fields = _read_common_summary_fields(run)
    try:
        if temporary_folder.exists():
            shutil.rmtree(temporary_folder)
        temporary_folder.mkdir(parents=True)
        _merge_jsonl_files_and_count_lines(temporary_folder / COMPLETIONS, run)
        verdict_count = _merge_jsonl_files_and_count_lines(temporary_folder / VERDICTS, run)
        environments = [manifest["environment"] for manifest in run.manifests.values()]
        environment = cast(Environment, {**environments[0], "merged": environments})
        stretches = _join_stretches_of_shards(run)
        write_json(
            temporary_folder / MANIFEST, {"config": run.config, "environment": environment, "stretches": stretches}
        )
        results = compute_summary_results(run.prepared, temporary_folder, run.sample_count)
        summary = cast(Summary, {**common_fields, **results})
        write_json(temporary_folder / SUMMARY, summary)
        if out.exists():
            out.rmdir()
        temporary_folder.rename(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; free some space, or choose another folder") from None
    return MergedRun(out, summary, tuple(_explain_missing_verdicts(run, run.sample_count - verdict_count)))


def _join_stretches_of_shards(run: ShardedRun) -> list[RunStretch]:
    """Returns one list of the stretches of all shards, for the manifest of the joined run.

    A stretch is the part of a run that one process wrote.
    """
    completions = [sum(1 for _ in read_complete_lines(folder / COMPLETIONS)) for folder in run.manifests]
    return join_run_stretches(list(run.manifests.values()), completions)


def _read_common_summary_fields(run: ShardedRun) -> dict[str, Any]:
    """Returns those fields of summary.json that are equal in all shards. Raises UserError if no shard is finished."""
    for summary in map(read_summary, run.manifests):
        if summary:
            return {key: value for key, value in summary.items() if key not in SHARD_SPECIFIC_KEYS}
    example = next(iter(run.manifests))
    raise UserError(
        f"no shard is finished; finish at least one by repeating its command, such as that for {example}, then merge "
        "again"
    )


def _merge_jsonl_files_and_count_lines(output_path: Path, run: ShardedRun) -> int:
    """Merges the files of all shards that have the name of `output_path`, such as verdicts.jsonl, into `output_path`.

    Its lines are sorted by problem and sample. Returns the number of lines.
    """
    order = {task_id: position for position, task_id in enumerate(run.prepared.problems)}
    sources: dict[Key, tuple[Path, int]] = {}
    for folder in run.manifests:
        for key, offset in _read_sample_keys_and_offsets(folder / output_path.name):
            if key[0] not in order:
                raise UserError(
                    f"{folder / output_path.name} has a line for {key[0]!r}, which is not the id of a problem of the "
                    "task; remove the line"
                )
            if key in sources:
                raise UserError(
                    f"the runs {sources[key][0]} and {folder} overlap: both have sample {key[1]} of {key[0]}; leave "
                    "one of them out"
                )
            sources[key] = (folder, offset)
    files: dict[Path, IO[bytes]] = {}
    try:
        with output_path.open("wb") as out:
            for key in sorted(sources, key=lambda key: (order[key[0]], key[1])):
                folder, offset = sources[key]
                file = files.get(folder) or files.setdefault(folder, (folder / output_path.name).open("rb"))
                file.seek(offset)
                out.write(file.readline())
    finally:
        for file in files.values():
            file.close()
    return len(sources)


def _read_sample_keys_and_offsets(path: Path) -> Iterator[tuple[Key, int]]:
    """Yields ((task_id, sample_id), byte offset) of each complete line. Raises UserError at a damaged line."""
    offset = 0
    for number, line in read_complete_lines(path):
        try:
            row = json.loads(line)
            yield (row["task_id"], row["sample_id"]), offset
        except (ValueError, TypeError, KeyError):
            raise UserError(
                f"{path}, line {number} is damaged: no JSON object with task_id and sample_id; fix or remove the line"
            ) from None
        offset += len(line)


def _explain_missing_verdicts(run: ShardedRun, missing_count: int) -> Iterator[str]:
    """Yields remarks on why `missing_count` samples of the merged run have no verdict, such as a missing shard."""
    if missing_count <= 0:
        return
    yield f"{missing_count} of {counted(run.sample_count, 'sample')} without a verdict"
    shards = [shard for manifest in run.manifests.values() if (shard := _shard_from_manifest(manifest))]
    if shards and (missing_shards := sorted(set(range(1, shards[0].count + 1)) - {shard.number for shard in shards})):
        yield f"missing shards: {', '.join(f'{number}/{shards[0].count}' for number in missing_shards)}"
    for folder in run.manifests:
        if not (folder / SUMMARY).exists():
            yield f"{folder} is not finished"


def _shard_from_manifest(manifest: Manifest) -> Shard | None:
    """Returns the number and count of the shard that a run's manifest states; None for a run without --shard."""
    text = manifest["config"]["samples"].get("shard")
    return parse_shard(text) if text else None


def _remove_shard_selection(config: ManifestConfiguration) -> ManifestConfiguration:
    """Returns the configuration of a shard without its --shard, which is the configuration of the whole run."""
    samples = {key: value for key, value in config["samples"].items() if key != "shard"}
    return cast(ManifestConfiguration, {**config, "samples": samples})


def _check_not_locked(folder: Path) -> None:
    """Raises UserError if a process is still writing to the run directory."""
    try:
        with (folder / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"an evalharness process is writing to {folder}; wait until it has ended") from None
    except OSError:
        return  # a copy of a run has no such file, and some file systems have no locks
