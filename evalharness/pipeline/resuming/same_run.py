"""Checks whether a run directory may be resumed with a configuration: which settings may differ from before."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness.data.run_files import COMPLETIONS, MANIFEST
from evalharness.errors import UserError
from evalharness.pipeline.resuming.folders import check_no_unrelated_files, has_completions_or_verdicts
from evalharness.util.differences import find_differences

RETRY_OPTIONS = ("timeout_s", "idle_timeout_s", "max_retries", "retry_base_s", "max_tokens_field")
"""Backend options about timeouts and retries, which change neither an answer nor its speed."""
TRANSPORT_OPTIONS = ("concurrency", "base_url", "hardware", *RETRY_OPTIONS)
"""Backend options that change how requests are sent, but no answer; they may differ when a run resumes."""


def holds_resumable_run(folder: Path, config: Mapping[str, Any]) -> bool:
    """Returns whether the folder contains a run that can be resumed with the configuration `config`.

    Returns False if the folder has no samples yet. Options that change no answer (`TRANSPORT_OPTIONS`) may differ, and
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
        return False
    if not has_completions_or_verdicts(folder):
        return False
    try:
        saved = json.loads(path.read_bytes())["config"]
        saved_part = remove_transport_options({key: saved[key] for key in saved if key in config})
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; choose another folder with --out") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is damaged: no JSON object with the run's configuration; choose another folder with --out"
        ) from None
    requested = remove_transport_options(json.loads(json.dumps(config)))
    versions = saved_part.get("evalharness"), requested.get("evalharness")
    if versions[0] != versions[1]:
        raise UserError(
            f"the run in {folder} was written by evalharness {versions[0]}, and this is {versions[1]}; choose another "
            "folder with --out, or resume the run with that version"
        )
    if "samples" in saved_part and "samples" in requested:
        saved_part["samples"] = _update_sample_counts_if_larger(saved_part["samples"], requested["samples"])
    difference = next(find_differences(saved_part, requested), None)
    if difference:
        remedy = "choose another folder with --out, use the old settings, or delete that run with --overwrite"
        if difference.key_path in ("samples.n", "samples.limit"):
            remedy = f"--n and --limit of a run can only grow; {remedy}"
        raise UserError(
            f"{folder} holds a run with another configuration: {difference.key_path} was {difference.old}, now "
            f"{difference.new}; {remedy}"
        )
    return True


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


def _update_sample_counts_if_larger(
    saved_selection: Mapping[str, Any], requested_selection: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns `saved_selection`, the manifest's `samples`, with `n` and `limit` raised to larger requested values."""
    updated = dict(saved_selection)
    if {"n", "limit"} <= saved_selection.keys() & requested_selection.keys():
        if (requested_selection["n"] or 0) >= (saved_selection["n"] or 0):
            updated["n"] = requested_selection["n"]
        if requested_selection["limit"] is None or (
            saved_selection["limit"] is not None and requested_selection["limit"] >= saved_selection["limit"]
        ):
            updated["limit"] = requested_selection["limit"]
    return updated
