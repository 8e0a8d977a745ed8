"""What the report page shows of each run before single samples are loaded."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from evalharness.data.run_types import Speed
from evalharness.data.runs import Run
from evalharness.report.answer_remarks import abnormal_answer_remarks, token_limit_text
from evalharness.report.leaderboard.boards import HEADINGS
from evalharness.report.naming import RunName
from evalharness.report.problems import RunProblems
from evalharness.report.run_metrics import explain_incompleteness, measurement_conditions_text
from evalharness.report.task_variant import (
    data_kind,
    remove_sample_suffix,
    settings_that_affect_pass_rates,
    split_task_family_and_language,
    task_name_of,
)


@dataclass(frozen=True)
class RunEntry:
    """A run on the report page: its slug (name in URLs and files), its display name, and its problems."""

    run: Run
    slug: str
    name: RunName
    problems: RunProblems

    def copy_without_problems(self) -> "RunEntry":
        """Returns a copy without the run's problems, which may take much memory."""
        return replace(self, problems=RunProblems(missing=self.problems.missing))


def make_run_slugs(runs: Sequence[Run]) -> list[str]:
    """Returns a unique slug for each run, made from its folder's name, that is valid in URLs and as a file name."""
    slugs: list[str] = []
    for run in runs:
        folder = run.folder.resolve()
        in_task_folder = folder.name == remove_sample_suffix(task_name_of(run.summary))
        words = f"{folder.parent.name} {folder.name}" if in_task_folder else folder.name
        slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60] or "run"
        number = 1
        while (unique := slug if number == 1 else f"{slug}-{number}") in slugs:
            number += 1
        slugs.append(unique)
    return slugs


class RunOverview(TypedDict):
    """The data of a run that the report page loads before the samples. Scripts in static/ use the keys of this type."""

    name: str
    """The slug."""
    task: str
    backend: str
    model: str | None
    label: str
    problems: int
    samples: int
    speed: Speed
    speed_conditions: str
    shortfall: str
    answers: list[str]
    """Remarks about cut, empty and refused answers, and answers of reasoning alone."""
    conditions: str
    language: str
    """The programming language of the task, for the highlighter."""
    data_heading: str
    """The heading of the runs on this kind of data; empty for full data."""
    rates: list[tuple[str, float, float, float]]
    """Name, value, and both ends of the interval."""
    statuses: list[tuple[str, int]]
    no_prompts: str
    """Why the page has no prompts for the run; empty if it has."""
    replayed: bool
    """Whether the samples come from a file."""


def make_run_overview(entry: RunEntry) -> RunOverview:
    """Returns the data of a run that the report page loads before the samples."""
    summary = entry.run.summary
    return {
        "name": entry.slug,
        "task": summary["task"],
        "backend": summary["backend"],
        "model": summary.get("model"),
        "label": entry.name.label,
        "problems": summary["problems"],
        "samples": summary["samples"],
        "speed": entry.run.speed,
        "speed_conditions": measurement_conditions_text(entry.run),
        "shortfall": explain_incompleteness(entry.run),
        "answers": abnormal_answer_remarks(summary),
        "conditions": ", ".join(filter(None, [settings_that_affect_pass_rates(summary), token_limit_text(summary)])),
        "language": split_task_family_and_language(task_name_of(summary))[1],
        "data_heading": HEADINGS[data_kind(summary)],
        "rates": [(name, rate["value"], rate["ci95"][0], rate["ci95"][1]) for name, rate in summary["metrics"].items()],
        "statuses": list(summary["statuses"].items()),
        "no_prompts": entry.problems.missing,
        "replayed": summary["backend"] == "replay",
    }


def flatten_manifest(run: Run) -> list[tuple[str, str]]:
    """Returns a run's manifest as pairs (key path, value), such as ("config.sampling.temperature", "0.2")."""
    return list(_flatten_value("", run.manifest))


def _flatten_value(key_path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yields (key path, text) for each single value in `value`, which is the manifest's value at `key_path`."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten_value(f"{key_path}.{key}" if key_path else str(key), item)
    else:
        yield key_path, value if isinstance(value, str) else json.dumps(value)
