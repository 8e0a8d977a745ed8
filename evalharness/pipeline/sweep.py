"""Runs tasks with every combination of option values, each in its own run directory (`evalharness sweep`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from evalharness.data.cards import task_name_without_card_file
from evalharness.data.run_types import Summary
from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.progress import Progress
from evalharness.pipeline.run import run_prepared
from evalharness.pipeline.validate import OpenedTasks, validate_runs

SWEEPABLE_FIELDS: Mapping[str, Callable[[str], Any]] = {
    "temperature": float, "top_p": float, "max_new_tokens": int, "batch_size": int, "seed": int,
}  # fmt: skip
"""Flags of `run` that `sweep` also accepts as `--option KEY=V1,V2`, with the type of their values."""


@dataclass(frozen=True)
class OptionCombination:
    """One combination of option values, such as threshold=0.9; `name` is also the name of the folder of its runs."""

    name: str
    values: Mapping[str, str]


def separate_fixed_and_swept_options(options: Mapping[str, str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Returns (fixed, swept): the options with one value, and those with several comma-separated values.

    A JSON array, a JSON object and a quoted text count as one value. Raises UserError if an option has the same
    value twice, or if no option has several values.
    """
    fixed: dict[str, str] = {}
    swept: dict[str, list[str]] = {}
    for key, value in options.items():
        values = [value] if value[:1] in '{["' else [part.strip() for part in value.split(",") if part.strip()]
        if len(values) > 1:
            if len(set(values)) < len(values):
                raise UserError(f"--option {key}={value} has the same value twice; give each value once")
            swept[key] = values
        else:
            fixed[key] = value
    if not swept:
        raise UserError(
            "no --option has several values; give --option KEY=V1,V2, such as threshold=0.5,0.9, or use evalharness run"
        )
    return fixed, swept


def list_option_combinations(swept_values: Mapping[str, Sequence[str]]) -> list[OptionCombination]:
    """Returns all combinations of the options' values; the values of the last option vary fastest."""
    return [
        OptionCombination(
            "_".join(f"{key}={value.replace('/', '-')}" for key, value in zip(swept_values, values, strict=True)),
            dict(zip(swept_values, values, strict=True)),
        )
        for values in product(*swept_values.values())
    ]


def set_option_values(config: RunConfig, option_values: Mapping[str, str]) -> RunConfig:
    """Returns `config` with these option values. Raises UserError if a value that must be a number is not one."""
    fields: dict[str, Any] = {}
    for key, value in option_values.items():
        if key in SWEEPABLE_FIELDS:
            try:
                fields[key] = SWEEPABLE_FIELDS[key](value)
            except ValueError:
                raise UserError(f"--option {key}={value}: {value} is not a number; give numbers only") from None
    options = {**config.options, **{key: value for key, value in option_values.items() if key not in SWEEPABLE_FIELDS}}
    return replace(config, options=options, **fields)


def sweep(
    task_configs: Sequence[RunConfig], swept_values: Mapping[str, Sequence[str]], out: Path, progress: Progress
) -> dict[Path, Summary]:
    """Runs (or resumes) tasks with each combination of option values; returns the summaries by run directory.

    `swept_values` has the values of each option. The run directories are `out`/COMBINATION/TASK. Finished runs are not
    repeated. Raises UserError before the first run if a combination is not valid.
    """
    combinations = list_option_combinations(swept_values)
    runs_by_combination = [
        [
            (
                set_option_values(base, combination.values),
                out / combination.name / task_name_without_card_file(base.task),
            )
            for base in task_configs
        ]
        for combination in combinations
    ]
    opened: OpenedTasks = {}
    prepared = [
        validate_runs(configs_and_folders, progress.note if number == 0 else lambda text: None, opened)
        for number, configs_and_folders in enumerate(runs_by_combination)
    ]
    summaries: dict[Path, Summary] = {}
    for number, (combination, runs) in enumerate(zip(combinations, prepared, strict=True), start=1):
        progress.note(f"{number} of {len(combinations)}: {combination.name}")
        summaries |= run_prepared(runs, progress)
    return summaries
