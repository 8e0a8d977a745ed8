"""What the report page says of each run as a whole."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalharness.report.leaderboard.boards import STANDINGS
from evalharness.report.naming import RunName
from evalharness.report.page.prompts import Problems, family_of
from evalharness.report.run_metrics import shortfall, speed_conditions, standing
from evalharness.report.runs import RunRecord
from evalharness.report.summary_table import conditions


@dataclass(frozen=True)
class Entry:
    """A run on the page: its name in addresses and files, what it is called, and the problems it was about."""

    run: RunRecord
    name: str
    shown: RunName
    problems: Problems

    def without_problems(self) -> "Entry":
        """The same, with only why there are no problems: those of a large task fill much memory."""
        return replace(self, problems=Problems(missing=self.problems.missing))


def names_of(runs: Sequence[RunRecord]) -> list[str]:
    """A name for each run, from its folder's, fit for an address and a file on any system; no two are alike."""
    found: list[str] = []
    for run in runs:
        folder = run.folder.resolve()
        words = f"{folder.parent.name} {folder.name}" if folder.name == _task(run) else folder.name
        name = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60] or "run"
        number = 1
        while (unique := name if number == 1 else f"{name}-{number}") in found:
            number += 1
        found.append(unique)
    return found


def _task(run: RunRecord) -> str:
    return str(run.summary["task"]).removesuffix("-sample")


def entry(one: Entry) -> dict[str, Any]:
    """What the page says of a run before its rows are loaded."""
    summary = one.run.summary
    kept = ("task", "backend", "model", "problems", "samples", "speed")
    return {
        **{key: summary.get(key) for key in kept},
        "name": one.name,
        "label": one.shown.label,
        "shortfall": shortfall(one.run),
        "speed_conditions": speed_conditions(one.run),
        "conditions": conditions(summary),
        "language": family_of(str(summary["task"]))[1],
        "standing": STANDINGS[standing(one.run)],
        "rates": [[name, rate["value"], *rate["ci95"]] for name, rate in summary["metrics"].items()],
        "statuses": list(summary["statuses"].items()),
        "no_prompts": one.problems.missing,
        "elsewhere": summary["backend"] == "replay",
    }


def settings(run: RunRecord) -> list[tuple[str, str]]:
    """The manifest as lines: where, and what."""
    return list(_flat("", run.manifest))


def _flat(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{place}.{key}" if place else str(key), inner)
    else:
        yield place, value if isinstance(value, str) else json.dumps(value)
