"""pass@1 and speed of each model in an arena, stored in `models.json` for the report."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from evalharness.arena.records import Vote
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.pipeline.store import write_json
from evalharness.report.run_metrics import (
    UNKNOWN_HARDWARE,
    hardware_text,
    pass_rate_of,
    tokens_per_s_interval_of,
    tokens_per_s_of,
)
from evalharness.report.run_settings import Family

MODELS = "models.json"


class TaskMeasurements(TypedDict):
    """What a run measured of a model on one task: pass@1 as a fraction, speed in tokens/s, and the hardware."""

    folder: str
    hardware: str
    pass_at_1: NotRequired[tuple[float, float, float]]
    """pass@1 and both ends of its 95 % confidence interval."""
    tokens_per_s: NotRequired[float]
    tokens_per_s_ci95: NotRequired[tuple[float, float]]


class ModelMeasurements(TypedDict):
    """A model's family (AR or diffusion) and its measurements by task."""

    family: Family
    tasks: dict[str, TaskMeasurements]


def collect_run_measurements(run: Run) -> TaskMeasurements:
    """Returns pass@1, speed and hardware of the model of a run; values that were not measured are absent."""
    measurements: TaskMeasurements = {"folder": str(run.folder.resolve()), "hardware": hardware_text(run)}
    if rate := pass_rate_of(run):
        measurements["pass_at_1"] = rate.value_low_high()
    if speed := tokens_per_s_of(run):
        measurements["tokens_per_s"] = speed
        if interval := tokens_per_s_interval_of(run):
            measurements["tokens_per_s_ci95"] = interval
    return measurements


def add_live_speeds(
    measurements: Mapping[str, ModelMeasurements], votes: Iterable[Vote]
) -> dict[str, ModelMeasurements]:
    """Returns a copy of `measurements` to which the speeds (tokens/s) of live models are added.

    Live models have no run that measures their speed. It is computed from a model's answers in `votes`: the number of
    all output tokens, divided by the sum of the latencies.
    """
    tokens: defaultdict[str, int] = defaultdict(int)
    seconds: defaultdict[str, float] = defaultdict(float)
    for vote in votes:
        for side in (vote.pair.first, vote.pair.second):
            if vote.pair.arm == "live" and side.output_tokens is not None and side.total_s:
                tokens[side.model] += side.output_tokens
                seconds[side.model] += side.total_s
    with_live = dict(measurements)
    for model, stored in measurements.items():
        if not stored["tasks"] and tokens[model]:
            speed = TaskMeasurements(folder="", hardware=UNKNOWN_HARDWARE, tokens_per_s=tokens[model] / seconds[model])
            with_live[model] = {"family": stored["family"], "tasks": {"live": speed}}
    return with_live


def read_measurements(votes_folder: Path) -> dict[str, ModelMeasurements]:
    """Returns the measurements that a votes folder stores, by model label; empty if it stores none.

    Raises UserError if the file is damaged.
    """
    path = votes_folder / MODELS
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise UserError(
            f"{path}, which stores the models' pass@1 and speeds, is not valid JSON; delete it and run `evalharness "
            "arena serve`, which writes it again"
        )
    return cast(dict[str, ModelMeasurements], content)


def write_measurements(votes_folder: Path, measurements: Mapping[str, ModelMeasurements]) -> None:
    """Adds measurements, by model label, to those in a votes folder; replaces those of the same model and task."""
    stored = read_measurements(votes_folder)
    for model, new in measurements.items():
        tasks = stored[model]["tasks"] if model in stored else {}
        stored[model] = {"family": new["family"], "tasks": {**tasks, **new["tasks"]}}
    write_json(votes_folder / MODELS, stored)
