"""Whether a run may go on in a directory: which settings may differ from before."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness.data.run_files import COMPLETIONS, MANIFEST
from evalharness.errors import UserError
from evalharness.pipeline.resuming.folders import check_no_foreign_files, has_rows
from evalharness.util.differences import differences

PATIENCE = ("timeout_s", "idle_timeout_s", "max_retries", "retry_base_s", "max_tokens_field")
"""Options that change neither an answer nor its speed."""
TRANSPORT = ("concurrency", "base_url", "hardware", *PATIENCE)
"""What a backend describes of itself that changes how requests are sent, but no answer; it may differ on resuming."""


def is_same_run(folder: Path, config: Mapping[str, Any]) -> bool:
    """Returns whether the directory holds rows of a run that may resume with this configuration; False if it has none.

    A directory with only a manifest has no rows. Options of the transport may differ, and `n` and `limit` may be
    larger than before. `config` may be a part of a configuration; only the keys that it has are compared.
    Raises UserError if the directory holds another run, naming the first difference, or files of something else.
    """
    path = folder / MANIFEST
    if not path.exists():
        if (folder / COMPLETIONS).exists():
            raise UserError(f"{folder} holds completions, but no {MANIFEST}; use another --out")
        check_no_foreign_files(folder)
        return False
    if not has_rows(folder):
        return False
    try:
        saved = json.loads(path.read_bytes())["config"]
        compared = without_transport({key: saved[key] for key in saved if key in config})
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        raise UserError(f"{path} cannot be read; use another --out") from None
    wanted = without_transport(json.loads(json.dumps(config)))
    versions = compared.get("evalharness"), wanted.get("evalharness")
    if versions[0] != versions[1]:
        raise UserError(
            f"{folder} was written by evalharness {versions[0]}, and this is {versions[1]}; use another --out, or "
            "resume the run with that version"
        )
    if "samples" in compared and "samples" in wanted:
        compared["samples"] = _grown(compared["samples"], wanted["samples"])
    difference = next(differences(compared, wanted), None)
    if difference:
        remedy = "use another --out, or the old settings, or delete that run with --overwrite"
        if difference.place in ("samples.n", "samples.limit"):
            remedy = f"a run can only grow; {remedy}"
        raise UserError(
            f"{folder} holds a run with another configuration: {difference.place} was {difference.old}, now "
            f"{difference.new}; {remedy}"
        )
    return True


def without_transport(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration, or a part of one, without the backend's options of the transport."""
    if "backend" not in config:
        return dict(config)
    return {**config, "backend": {key: value for key, value in config["backend"].items() if key not in TRANSPORT}}


def transport_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the backend's options of the transport."""
    return {key: value for key, value in config.get("backend", {}).items() if key in TRANSPORT}


def _grown(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the saved samples, with the wanted `n` and `limit` unless they are smaller; no limit is the largest."""
    grown = dict(saved)
    if {"n", "limit"} <= saved.keys() & wanted.keys():
        if (wanted["n"] or 0) >= (saved["n"] or 0):
            grown["n"] = wanted["n"]
        if wanted["limit"] is None or (saved["limit"] is not None and wanted["limit"] >= saved["limit"]):
            grown["limit"] = wanted["limit"]
    return grown
