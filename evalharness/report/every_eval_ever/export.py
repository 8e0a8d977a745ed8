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
from evalharness.report.every_eval_ever.model import UNKNOWN, model_identity, model_info, portable_name
from evalharness.report.every_eval_ever.results import metric_results, started_at
from evalharness.report.every_eval_ever.schema import (
    SCHEMA_VERSION,
    EvaluationLog,
    InstanceRecord,
    Relationship,
    SamplesFile,
)
from evalharness.report.naming import RunName, name_runs
from evalharness.report.problems import load_problems
from evalharness.report.task_variant import task_of
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


def write_records(runs: Sequence[Run], out: Path, metadata: ExportMetadata, log: Log) -> list[Path]:
    """Writes Every Eval Ever records of runs into the folder `out`; returns the paths of the .json files.

    The files are data/TASK/DEVELOPER/MODEL/UUID.json and UUID_samples.jsonl, one pair per run; a run has the same UUID
    each time. Runs of the backend `reference` (the official solutions) are omitted. `log` is called with notes about
    omitted runs, and about runs without sample records because the task's data are not available. Raises UserError if
    no run is left, or if a file cannot be written.
    """
    models = [(run, name) for run, name in zip(runs, name_runs(runs), strict=True) if not _is_reference(run)]
    if len(models) < len(runs):
        log("omitted the runs of the backend reference, which has no model")
    if not models:
        raise UserError("no run is of a model: all used the backend reference; give runs of another --backend")
    try:
        written = [_write_run_record(run, name, out, metadata, log) for run, name in models]
    except OSError as error:
        raise UserError(f"cannot write to {out}: {os_error_reason(error)}; choose another folder with --out") from None
    if any(path.parts[-3] == UNKNOWN for path in written):
        log("the developer of some models is unknown; give --developer, which names their folder in the datastore")
    return written


def _is_reference(run: Run) -> bool:
    return run.summary.get("backend") == ReferenceBackend.name


def _write_run_record(run: Run, name: RunName, out: Path, metadata: ExportMetadata, log: Log) -> Path:
    identity = model_identity(run, metadata.developer)
    task = task_of(run.summary)
    parent = Path("data") / portable_name(task) / identity.folder
    stem = _run_uuid(run)
    (out / parent).mkdir(parents=True, exist_ok=True)
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
        "model_info": model_info(run, name, identity),
        "evaluation_results": metric_results(run),
    }
    if begun := started_at(run):
        record["evaluation_timestamp"] = begun
    problems = load_problems(run)
    samples = parent / f"{stem}_samples.jsonl"
    if problems.missing:
        log(f"{run.folder}: exported without samples. {problems.missing}")
        (out / samples).unlink(missing_ok=True)
    elif details := _write_samples(out, samples, instance_records(run, problems, evaluation_id, identity.id)):
        record["detailed_evaluation_results"] = details
    path = out / parent / f"{stem}.json"
    write_atomically(path, _to_json_bytes(record, indent=2))
    return path


def _run_uuid(run: Run) -> str:
    """Returns the UUID of a run's records: a hash of the run in the form of a random UUID (version 4).

    The datastore requires version 4.
    """
    described = [run.config, started_at(run), run.summary]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _write_samples(out: Path, path: Path, records: Iterable[InstanceRecord]) -> SamplesFile | None:
    """Writes the sample records of a run to a .jsonl file; returns the file's description, or None without samples."""
    digest, count = hashlib.sha256(), 0
    with open_for_atomic_write(out / path) as file:
        for record in records:
            line = _to_json_bytes(record)
            file.write(line)
            digest.update(line)
            count += 1
    if not count:
        (out / path).unlink()
        return None
    return {
        "format": "jsonl",
        "file_path": path.as_posix(),
        "hash_algorithm": "sha256",
        "checksum": digest.hexdigest(),
        "total_rows": count,
    }


def _to_json_bytes(value: Mapping[str, object], indent: int | None = None) -> bytes:
    """Returns a record as JSON in UTF-8, in which unpaired surrogates are replaced by question marks."""
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
