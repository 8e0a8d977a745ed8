"""Checks whether a run directory may be resumed with a configuration: which settings may differ from before."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from evalharness.data.run_files import COMPLETIONS, MANIFEST
from evalharness.data.run_types import Manifest
from evalharness.errors import UserError
from evalharness.pipeline.resuming.folders import check_no_unrelated_files, has_completions_or_verdicts
from evalharness.util.differences import find_differences

RETRY_OPTIONS = ("timeout_s", "idle_timeout_s", "max_retries", "retry_base_s", "max_tokens_field")
"""Backend options about timeouts and retries, which change neither an answer nor its speed."""
TRANSPORT_OPTIONS = ("concurrency", "base_url", "hardware", *RETRY_OPTIONS)
"""Backend options that change how requests are sent, but no answer; they may differ when a run resumes."""


def read_resumable_manifest(folder: Path, config: Mapping[str, Any]) -> Manifest | None:
    """Returns the manifest of the folder's run if the run can be resumed with the configuration `config`.

    Returns None if the folder has no samples yet. Options that change no answer (`TRANSPORT_OPTIONS`) may differ, and
    `n` (samples per problem) and `limit` (number of problems) may be larger than before. `config` may be a part of a
    configuration; only the entries that it has are compared. Raises UserError if the folder contains unrelated files,
    or a run with other settings; the message names the first difference.
    """
    path = folder / MANIFEST
    if not path.exists():
        if (folder / COMPLETIONS).exists():
            raise UserError(
                f"{folder} holds completions, but no {MANIFEST} that says how they were generated; choose another "
                "folder with --out"
            )
        check_no_unrelated_files(folder)
        return None
    if not has_completions_or_verdicts(folder):
        return None
    try:
        manifest = json.loads(path.read_bytes())
        saved_part = {key: value for key, value in manifest["config"].items() if key in config}
        manifest["environment"] = dict(manifest["environment"])
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; choose another folder with --out") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is damaged: not a JSON object with the keys 'config' and 'environment'; choose another folder "
            "with --out"
        ) from None
    requested = json.loads(json.dumps(config))
    versions = saved_part.get("evalharness"), requested.get("evalharness")
    if versions[0] != versions[1]:
        raise UserError(
            f"the run in {folder} was written by evalharness {versions[0]}, and this is {versions[1]}; choose another "
            "folder with --out, or resume the run with that version"
        )
    differences = find_differences(saved_part, requested)
    if difference := next((d for d in differences if not _may_differ(d.key_path, saved_part, requested)), None):
        remedy = "choose another folder with --out, use the old settings, or delete that run with --overwrite"
        if difference.key_path in ("samples.n", "samples.limit"):
            remedy = f"--n and --limit of a run can only grow; {remedy}"
        raise UserError(
            f"{folder} holds a run with another configuration: {difference.key_path} was {difference.old}, now "
            f"{difference.new}; {remedy}"
        )
    return cast(Manifest, manifest)


def remove_transport_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a run's configuration without the backend options that change no answer, such as the base URL.

    `config` may be a part of a configuration.
    """
    if "backend" not in config:
        return dict(config)
    return {
        **config,
        "backend": {key: value for key, value in config["backend"].items() if key not in TRANSPORT_OPTIONS},
    }


def select_transport_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those backend options of a run's configuration that change no answer, such as the base URL."""
    return {key: value for key, value in config.get("backend", {}).items() if key in TRANSPORT_OPTIONS}


def _may_differ(key_path: str, saved: Mapping[str, Any], requested: Mapping[str, Any]) -> bool:
    """Returns whether two configurations that differ at a path of keys, such as `samples.n`, can be of the same run."""
    part, _, key = key_path.partition(".")
    if part == "backend":
        return key in TRANSPORT_OPTIONS
    old, new = saved.get("samples", {}), requested.get("samples", {})
    if part != "samples" or not {"n", "limit"} <= old.keys() & new.keys():
        return False
    if key == "limit":  # None stands for all problems
        return new["limit"] is None or (old["limit"] is not None and new["limit"] >= old["limit"])
    return key == "n" and (new["n"] or 0) >= (old["n"] or 0)
