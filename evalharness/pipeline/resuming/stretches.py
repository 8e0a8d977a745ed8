"""The stretches of a run: a stretch is the part that one process wrote; resuming the run begins another.

The manifest lists them with the settings that may differ between them, such as the number of concurrent requests.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.data.run_types import Environment, Manifest, RunConfiguration, RunStretch
from evalharness.metrics.throughput import measurement_conditions
from evalharness.pipeline.resuming.same_run import transport_options

VOLATILE_CONDITIONS = ("clocks",)
"""Measurement conditions that change all the time, so that a difference between two processes is not reported."""
EXCLUDED_OPTIONS = ("base_url", "max_tokens_field")
"""Transport options that are not measurement conditions themselves; `base_url` is the condition `endpoint`."""


def new_stretch(config: RunConfiguration, environment: Environment, completions: int) -> RunStretch:
    """Returns the manifest entry of a new stretch (the part of a run that one process writes).

    `completions` is the number of completions that exist when the stretch begins.
    """
    return {
        "environment": environment,
        "transport": transport_options(config),
        "samples": config.get("samples", {}),
        "completions": completions,
    }


def stretches_of(manifest: Manifest) -> list[RunStretch]:
    """Returns the stretches in a run's manifest: one entry per process that wrote a part of the run."""
    return list(manifest.get("stretches") or [new_stretch(manifest["config"], manifest["environment"], 0)])


def joined_stretches(manifests: Sequence[Manifest], completions: Sequence[int]) -> list[RunStretch]:
    """Returns the stretches (parts that one process wrote) of several runs as those of one run, for merging shards.

    `completions` are the numbers of completions of the runs.
    """
    joined: list[RunStretch] = []
    completions_before = 0
    for manifest, count in zip(manifests, completions, strict=True):
        joined += [
            {**stretch, "completions": stretch["completions"] + completions_before}
            for stretch in stretches_of(manifest)
        ]
        completions_before += count
    return joined


def measured_conditions(manifest: Manifest, completions: int) -> dict[str, Any]:
    """Returns the conditions under which a run's speed was measured, such as hardware, concurrency and endpoint.

    `completions` is the run's number of completions. If the run was resumed under other conditions, the key `mixed` has
    the values of each condition that differs.
    """
    backend, environment = manifest["config"]["backend"], manifest["environment"]
    generated = _stretches_with_completions(stretches_of(manifest), completions)
    latest = generated[-1] if generated else new_stretch(manifest["config"], environment, 0)
    conditions = measurement_conditions({**backend, **latest["transport"]}, latest["environment"]["hardware"])
    if merged := environment.get("merged"):
        conditions["merged_runs"] = len(merged)
    if copies := latest["environment"].get("copies"):
        conditions["copies"] = copies
    if mixed := _differing_conditions([_conditions_of_stretch(backend, stretch) for stretch in generated]):
        conditions = {**{key: value for key, value in conditions.items() if key not in mixed}, "mixed": mixed}
    return conditions


def _stretches_with_completions(stretches: Sequence[RunStretch], completions: int) -> list[RunStretch]:
    """Returns the stretches (parts of a run) that generated completions; `completions` is the run's total number."""
    ends = [*(stretch["completions"] for stretch in stretches[1:]), completions]
    return [stretch for stretch, end in zip(stretches, ends, strict=True) if end > stretch["completions"]]


def _differing_conditions(conditions: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Returns the conditions that differ between stretches (parts of a run), each with its values in order."""
    keys = dict.fromkeys(key for condition in conditions for key in condition)
    values = {key: list(dict.fromkeys(condition.get(key) for condition in conditions)) for key in keys}
    return {key: different for key, different in values.items() if len(different) > 1}


def _conditions_of_stretch(backend: Mapping[str, Any], stretch: RunStretch) -> dict[str, Any]:
    """Returns the measurement conditions of one stretch (the part of a run that one process wrote)."""
    environment, transport = stretch["environment"], stretch["transport"]
    measured = measurement_conditions({**backend, **transport}, environment["hardware"])
    other_options = {key: value for key, value in transport.items() if key not in EXCLUDED_OPTIONS}
    process_settings: Mapping[str, Any] = {"workers": environment.get("workers"), "copies": environment.get("copies")}
    return {
        key: value
        for key, value in {**other_options, **measured, **process_settings}.items()
        if key not in VOLATILE_CONDITIONS
    }
