"""Writes runs as a folder that can be added to the Every Eval Ever datastore."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalharness.backends.reference import ReferenceBackend
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.report.every_eval_ever.instances import instance_records
from evalharness.report.every_eval_ever.model import UNKNOWN, identify_model, make_model_info, make_portable_file_name
from evalharness.report.every_eval_ever.results import make_metric_results, run_start_timestamp
from evalharness.report.every_eval_ever.schema import (
    SCHEMA_VERSION,
    EvaluationLog,
    InstanceRecord,
    Relationship,
    SamplesFile,
)
from evalharness.report.naming import RunName, name_runs
from evalharness.report.problems import load_problems
from evalharness.report.task_variant import task_name_of
from evalharness.util.files import open_for_atomic_write, os_error_reason, write_atomically
from evalharness.util.version import __version__

Log = Callable[[str], None]


@dataclass(frozen=True)
class ExportMetadata:
    """The facts in an export that no run directory contains: who ran the evaluations and who developed the models."""

    organization: str = ""
    """Who ran the evaluation."""
    relationship: Relationship = "other"
    developer: str = ""
    """The developer of models whose names do not begin with one."""


def write_every_eval_ever_records(
    runs: Sequence[Run], out_folder: Path, metadata: ExportMetadata, log: Log
) -> list[Path]:
    """Writes Every Eval Ever records of runs into the folder `out_folder`; returns the paths of the .json files.

    The files are data/TASK/DEVELOPER/MODEL/UUID.json and UUID_samples.jsonl, one pair per run; a run has the same UUID
    each time. Runs of the backend `reference` (the official solutions) are omitted. `log` is called with notes about
    omitted runs, and about runs without sample records because the task's data are not available. Raises UserError if
    no run is left, or if a file cannot be written.
    """
    models = [(run, name) for run, name in zip(runs, name_runs(runs), strict=True) if not _uses_reference_backend(run)]
    if len(models) < len(runs):
        log("omitted the runs of the backend reference, which has no model")
    if not models:
        raise UserError(
            "no run has a model: all used the backend reference (official solutions); give runs of another --backend"
        )
    try:
        written = [_write_run_record(run, name, out_folder, metadata, log) for run, name in models]
    except OSError as error:
        raise UserError(
            f"cannot write to {out_folder}: {os_error_reason(error)}; choose another folder with --out"
        ) from None
    if any(path.parts[-3] == UNKNOWN for path in written):
        log("the developer of some models is unknown; give --developer, which names their folder in the datastore")
    return written


def _uses_reference_backend(run: Run) -> bool:
    return run.summary.get("backend") == ReferenceBackend.name


def _write_run_record(run: Run, run_name: RunName, out_folder: Path, metadata: ExportMetadata, log: Log) -> Path:
    identity = identify_model(run, metadata.developer)
    task = task_name_of(run.summary)
    parent = Path("data") / make_portable_file_name(task) / identity.records_folder
    stem = _run_uuid(run)
    (out_folder / parent).mkdir(parents=True, exist_ok=True)
    now = f"{time.time():.6f}"
    evaluation_id = f"{task}/{identity.id}/{now}"
    record: EvaluationLog = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": evaluation_id,
        "retrieved_timestamp": now,
        "source_metadata": {
            "source_name": "evalharness",
            "source_type": "evaluation_run",
            "source_organization_name": metadata.organization or UNKNOWN,
            "evaluator_relationship": metadata.relationship,
        },
        "eval_library": {"name": "evalharness", "version": str(run.config.get("evalharness", __version__))},
        "model_info": make_model_info(run, run_name, identity),
        "evaluation_results": make_metric_results(run),
    }
    if begun := run_start_timestamp(run):
        record["evaluation_timestamp"] = begun
    problems = load_problems(run)
    samples = parent / f"{stem}_samples.jsonl"
    if problems.missing:
        log(f"{run.folder}: exported without samples. {problems.missing}")
        (out_folder / samples).unlink(missing_ok=True)
    elif details := _write_sample_records(
        out_folder, samples, instance_records(run, problems, evaluation_id, identity.id)
    ):
        record["detailed_evaluation_results"] = details
    path = out_folder / parent / f"{stem}.json"
    write_atomically(path, _to_json_bytes(record, indent=2))
    return path


def _run_uuid(run: Run) -> str:
    """Returns the UUID of a run's records, which is the same at each export of the run.

    It is made from a hash of the run's configuration, start time and summary, and has the form of a random UUID
    (version 4), which the Every Eval Ever datastore requires.
    """
    described = [run.config, run_start_timestamp(run), run.summary]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _write_sample_records(
    out_folder: Path, samples_path: Path, records: Iterable[InstanceRecord]
) -> SamplesFile | None:
    """Writes the sample records of a run to a .jsonl file; returns the file's description.

    Returns None, and leaves no file, if there are no records. `samples_path` is the path of the file relative to
    `out_folder`.
    """
    digest, count = hashlib.sha256(), 0
    with open_for_atomic_write(out_folder / samples_path) as file:
        for record in records:
            line = _to_json_bytes(record)
            file.write(line)
            digest.update(line)
            count += 1
    if not count:
        (out_folder / samples_path).unlink()
        return None
    return {
        "format": "jsonl",
        "file_path": samples_path.as_posix(),
        "hash_algorithm": "sha256",
        "checksum": digest.hexdigest(),
        "total_rows": count,
    }


def _to_json_bytes(record: Mapping[str, object], indent: int | None = None) -> bytes:
    """Returns a record as JSON in UTF-8, in which unpaired surrogates are replaced by question marks."""
    return json.dumps(record, indent=indent, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
