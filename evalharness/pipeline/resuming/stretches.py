"""The stretches of a run: a stretch is the part that one process wrote; resuming the run begins another.

The manifest lists them with the settings that may differ between them, such as the number of concurrent requests.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.data.run_types import Environment, Manifest, ManifestConfiguration, RunStretch
from evalharness.metrics.throughput import speed_measurement_conditions
from evalharness.pipeline.resuming.same_run import select_transport_options

VOLATILE_CONDITIONS = ("clocks",)
"""Measurement conditions that change all the time, so that a difference between two processes is not reported."""
EXCLUDED_OPTIONS = ("base_url", "max_tokens_field")
"""Transport options that are not measurement conditions themselves; `base_url` is the condition `endpoint`."""


def begin_run_stretch(config: ManifestConfiguration, environment: Environment, completions_before: int) -> RunStretch:
    """Returns the manifest's entry for a new stretch (the part of a run that one process writes).

    `completions_before` is the number of completions that the run has when the stretch begins.
    """
    return {
        "environment": environment,
        "transport": select_transport_options(config),
        "samples": config.get("samples", {}),
        "completions": completions_before,
    }


def list_run_stretches(manifest: Manifest) -> list[RunStretch]:
    """Returns the stretches in a run's manifest: one entry per process that wrote a part of the run."""
    return list(manifest.get("stretches") or [begin_run_stretch(manifest["config"], manifest["environment"], 0)])


def join_run_stretches(manifests: Sequence[Manifest], completion_counts: Sequence[int]) -> list[RunStretch]:
    """Returns one list of the stretches of several shards, for the manifest of the joined run.

    A stretch is the part of a run that one process wrote. `manifests` are the shards' manifests, `completion_counts`
    their numbers of completions.
    """
    joined: list[RunStretch] = []
    completions_before = 0
    for manifest, count in zip(manifests, completion_counts, strict=True):
        joined += [
            {**stretch, "completions": stretch["completions"] + completions_before}
            for stretch in list_run_stretches(manifest)
        ]
        completions_before += count
    return joined


def measurement_conditions_of_run(manifest: Manifest, completion_count: int) -> dict[str, Any]:
    """Returns the conditions under which a run's speed was measured, such as hardware, concurrency and endpoint.

    `completion_count` is the run's number of completions. If the run was resumed under other conditions, the key
    `mixed` has the values of each condition that differs.
    """
    backend, environment = manifest["config"]["backend"], manifest["environment"]
    generated = _select_stretches_with_completions(list_run_stretches(manifest), completion_count)
    latest = generated[-1] if generated else begin_run_stretch(manifest["config"], environment, 0)
    conditions = speed_measurement_conditions({**backend, **latest["transport"]}, latest["environment"]["hardware"])
    if merged := environment.get("merged"):
        conditions["merged_runs"] = len(merged)
    if copies := latest["environment"].get("copies"):
        conditions["copies"] = copies
    if mixed := _find_values_of_differing_conditions(
        [_measurement_conditions_of_stretch(backend, stretch) for stretch in generated]
    ):
        conditions = {**{key: value for key, value in conditions.items() if key not in mixed}, "mixed": mixed}
    return conditions


def _select_stretches_with_completions(stretches: Sequence[RunStretch], completion_count: int) -> list[RunStretch]:
    """Returns those stretches (parts of a run) in which completions were generated.

    `completion_count` is the number of completions of the whole run.
    """
    ends = [*(stretch["completions"] for stretch in stretches[1:]), completion_count]
    return [stretch for stretch, end in zip(stretches, ends, strict=True) if end > stretch["completions"]]


def _find_values_of_differing_conditions(conditions_by_stretch: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Returns the conditions, such as the hardware, that differ between stretches of a run, with all their values."""
    keys = dict.fromkeys(key for condition in conditions_by_stretch for key in condition)
    values = {key: list(dict.fromkeys(condition.get(key) for condition in conditions_by_stretch)) for key in keys}
    return {key: different for key, different in values.items() if len(different) > 1}


def _measurement_conditions_of_stretch(backend_description: Mapping[str, Any], stretch: RunStretch) -> dict[str, Any]:
    """Returns the conditions, such as the hardware, of one stretch (the part of a run that one process wrote).

    `backend_description` is the entry `backend` of the manifest's configuration.
    """
    environment, transport = stretch["environment"], stretch["transport"]
    measured = speed_measurement_conditions({**backend_description, **transport}, environment["hardware"])
    other_options = {key: value for key, value in transport.items() if key not in EXCLUDED_OPTIONS}
    process_settings: Mapping[str, Any] = {"workers": environment.get("workers"), "copies": environment.get("copies")}
    return {
        key: value
        for key, value in {**other_options, **measured, **process_settings}.items()
        if key not in VOLATILE_CONDITIONS
    }
