"""Runs for every combination of options that have several values, one run directory each, which one curve joins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from evalharness.errors import UserError
from evalharness.pipeline.pipeline import RunConfig, make_backend, run_all
from evalharness.pipeline.progress import Progress

FIELDS: Mapping[str, Callable[[str], Any]] = {
    "temperature": float, "top_p": float, "max_new_tokens": int, "batch_size": int, "seed": int,
}  # fmt: skip
"""Flags of `run` that may be swept as if they were options."""


@dataclass(frozen=True)
class Combination:
    """One value for each swept option. `name` is its folder's."""

    name: str
    values: Mapping[str, str]


def split_options(options: Mapping[str, str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Options of one value, and those of several, separated by commas. JSON values, and what is quoted, have one.

    Raises UserError where an option names a value twice, or where none has several.
    """
    fixed: dict[str, str] = {}
    swept: dict[str, list[str]] = {}
    for key, value in options.items():
        values = [value] if value[:1] in '{["' else [part.strip() for part in value.split(",") if part.strip()]
        if len(values) > 1:
            if len(set(values)) < len(values):
                raise UserError(f"--option {key}={value} names a value twice; name each once")
            swept[key] = values
        else:
            fixed[key] = value
    if not swept:
        raise UserError(
            "nothing is swept: give an --option several values, such as threshold=0.5,0.7,0.9; else use run"
        )
    return fixed, swept


def combinations(swept: Mapping[str, Sequence[str]]) -> list[Combination]:
    """Every combination, the last option changing fastest; named such as "threshold=0.5_steps=8"."""
    return [
        Combination(
            "_".join(f"{key}={value.replace('/', '-')}" for key, value in zip(swept, values, strict=True)),
            dict(zip(swept, values, strict=True)),
        )
        for values in product(*swept.values())
    ]


def configure(base: RunConfig, values: Mapping[str, str]) -> RunConfig:
    """The configuration with one combination's values. Raises UserError for a flag's value that is no number."""
    fields: dict[str, Any] = {}
    for key, value in values.items():
        if key in FIELDS:
            try:
                fields[key] = FIELDS[key](value)
            except ValueError:
                raise UserError(f"--option {key}={value}: {value} is not a number") from None
    options = {**base.options, **{key: value for key, value in values.items() if key not in FIELDS}}
    return replace(base, options=options, **fields)


def sweep(
    bases: Sequence[RunConfig], swept: Mapping[str, Sequence[str]], out: Path, progress: Progress
) -> dict[Path, dict[str, Any]]:
    """Runs, or resumes, all tasks with each combination, into `out`/COMBINATION/TASK; the summaries by directory.

    A finished combination is not run again: its rows are all there. Raises UserError as a run does.
    """
    every = combinations(swept)
    jobs = [[(configure(base, one.values), out / one.name / base.task) for base in bases] for one in every]
    for of_one in jobs:  # a value that will not do is refused before the first combination runs
        make_backend(of_one[0][0]).close()
    done: dict[Path, dict[str, Any]] = {}
    for number, (one, of_one) in enumerate(zip(every, jobs, strict=True), start=1):
        progress.note(f"{number} of {len(every)}: {one.name}")
        done |= run_all(of_one, progress)
    return done
