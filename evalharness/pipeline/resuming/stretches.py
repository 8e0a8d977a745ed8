"""The stretches of a run: each process that works on it, with the settings that may differ between them."""

from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.data.run_types import Environment, Manifest, RunConfiguration, Stretch
from evalharness.metrics.throughput import measurement_conditions
from evalharness.pipeline.resuming.same_run import transport_of

VARYING = ("clocks",)
"""Conditions that are read at one moment and differ in each process."""
SHOWN_OTHERWISE = ("base_url", "max_tokens_field")
"""Options of the transport that are no conditions by their name: the address is the condition `endpoint`."""


def stretch_of(config: RunConfiguration, environment: Environment, completions: int) -> Stretch:
    """Returns the stretch that a process begins when `completions` rows are there."""
    return {
        "environment": environment,
        "transport": transport_of(config),
        "samples": config.get("samples", {}),
        "completions": completions,
    }


def stretches_of(manifest: Manifest) -> list[Stretch]:
    """Returns a run's stretches. A manifest of an earlier version has one."""
    return list(manifest.get("stretches") or [stretch_of(manifest["config"], manifest["environment"], 0)])


def joined_stretches(manifests: Sequence[Manifest], completions: Sequence[int]) -> list[Stretch]:
    """Returns the stretches of several runs whose rows follow each other; `completions` has the rows of each."""
    joined: list[Stretch] = []
    before = 0
    for manifest, count in zip(manifests, completions, strict=True):
        joined += [{**stretch, "completions": stretch["completions"] + before} for stretch in stretches_of(manifest)]
        before += count
    return joined


def conditions_of(manifest: Manifest, completions: int) -> dict[str, Any]:
    """Returns what the speed of a run with that many completions holds for, as of the stretches that generated them.

    Where these differ, `mixed` has the values of each condition that does.
    """
    backend, environment = manifest["config"]["backend"], manifest["environment"]
    generated = _generating(stretches_of(manifest), completions)
    latest = generated[-1] if generated else stretch_of(manifest["config"], environment, 0)
    held = measurement_conditions({**backend, **latest["transport"]}, latest["environment"]["hardware"])
    if merged := environment.get("merged"):
        held["merged_runs"] = len(merged)
    if copies := latest["environment"].get("copies"):
        held["copies"] = copies
    if mixed := _differing([_conditions(backend, stretch) for stretch in generated]):
        held = {**{key: value for key, value in held.items() if key not in mixed}, "mixed": mixed}
    return held


def _generating(stretches: Sequence[Stretch], completions: int) -> list[Stretch]:
    """Returns the stretches that wrote completions; `completions` is the number of all."""
    ends = [*(stretch["completions"] for stretch in stretches[1:]), completions]
    return [stretch for stretch, end in zip(stretches, ends, strict=True) if end > stretch["completions"]]


def _differing(conditions: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Returns the conditions that are not the same in all, with each of their values in order."""
    keys = dict.fromkeys(key for condition in conditions for key in condition)
    values = {key: list(dict.fromkeys(condition.get(key) for condition in conditions)) for key in keys}
    return {key: different for key, different in values.items() if len(different) > 1}


def _conditions(backend: Mapping[str, Any], stretch: Stretch) -> dict[str, Any]:
    """Returns the conditions of one stretch."""
    environment, transport = stretch["environment"], stretch["transport"]
    measured = measurement_conditions({**backend, **transport}, environment["hardware"])
    others = {key: value for key, value in transport.items() if key not in SHOWN_OTHERWISE}
    around: Mapping[str, Any] = {"workers": environment.get("workers"), "copies": environment.get("copies")}
    return {key: value for key, value in {**others, **measured, **around}.items() if key not in VARYING}
