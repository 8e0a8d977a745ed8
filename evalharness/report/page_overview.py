"""What the report page says of runs as a whole: one entry per run, and rates by kind of problem side by side."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalharness.report.cells import shortfall, speed_conditions
from evalharness.report.naming import RunName
from evalharness.report.page_prompts import FAMILIES, Problems, family_of
from evalharness.report.runs import RunRecord
from evalharness.report.table import conditions

RATE = "pass@1"
ORDERS = {"difficulty": ("easy", "medium", "hard")}
"""Facets whose kinds have an order of their own; the others' are sorted by name."""


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
        "rates": [[name, *_rate(rate)] for name, rate in summary["metrics"].items()],
        "statuses": list(summary["statuses"].items()),
        "no_prompts": one.problems.missing,
        "elsewhere": summary["backend"] == "replay",
    }


def settings(run: RunRecord) -> list[tuple[str, str]]:
    """The manifest as lines: where, and what."""
    return list(_flat("", run.manifest))


def breakdowns(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Tables of pass@1 by kind of problem: for each task by each of its facets, and for each family by language.

    Each is {"title", "facet", "columns": [{"label", "detail", "run"}], "rows": [{"kind", "cells"}]}, where a cell is
    null or [run, value, low, high, problems].
    """
    return [*_by_facet(entries), *_by_language(entries)]


def _by_facet(entries: Sequence[Entry]) -> Iterable[dict[str, Any]]:
    by_task: dict[str, list[Entry]] = {}
    for one in entries:
        by_task.setdefault(one.run.summary["task"], []).append(one)
    for task, those in by_task.items():
        for facet in dict.fromkeys(name for one in those for name in one.run.summary.get("facets", {})):
            found = [one.run.summary.get("facets", {}).get(facet, {}) for one in those]
            kinds = _sorted(facet, {kind for each in found for kind in each})
            rows = [
                {
                    "kind": kind,
                    "cells": [
                        _cell(one.name, each.get(kind, {}).get("metrics", {}).get(RATE), each.get(kind))
                        for one, each in zip(those, found, strict=True)
                    ],
                }
                for kind in kinds
            ]
            yield {
                "title": f"{task} by {facet}",
                "facet": facet,
                "columns": [_column(one) for one in those],
                "rows": rows,
            }


def _by_language(entries: Sequence[Entry]) -> Iterable[dict[str, Any]]:
    families: dict[str, dict[tuple[str, ...], dict[str, Entry]]] = {}
    for one in entries:
        family, language = family_of(str(one.run.summary["task"]))
        if family in FAMILIES:
            sample = "-sample" if one.run.summary["task"].endswith("-sample") else ""
            key = (one.shown.label, conditions(one.run.summary))
            families.setdefault(family + sample, {}).setdefault(key, {})[language] = one
    for family, columns in families.items():
        languages = sorted({language for column in columns.values() for language in column})
        rows = [
            {
                "kind": language,
                "cells": [
                    _cell(found.name, found.run.summary["metrics"].get(RATE), found.run.summary)
                    if (found := column.get(language))
                    else None
                    for column in columns.values()
                ],
            }
            for language in languages
        ]
        heads = [_column(next(iter(column.values()))) for column in columns.values()]
        yield {"title": f"{family} by language", "facet": "", "columns": heads, "rows": rows}


def _column(one: Entry) -> dict[str, Any]:
    summary = one.run.summary
    return {"label": one.shown.label, "detail": f"{summary['backend']}, {conditions(summary)}", "run": one.name}


def _cell(name: str, rate: Mapping[str, Any] | None, of: Mapping[str, Any] | None) -> list[Any] | None:
    return [name, *_rate(rate), of["problems"]] if rate and of else None


def _rate(rate: Mapping[str, Any]) -> list[float]:
    return [rate["value"], *rate["ci95"]]


def _sorted(facet: str, kinds: Iterable[str]) -> list[str]:
    order = {kind: number for number, kind in enumerate(ORDERS.get(facet, ()))}
    return sorted(kinds, key=lambda kind: (order.get(kind, len(order)), kind))


def _flat(place: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{place}.{key}" if place else str(key), inner)
    else:
        yield place, value if isinstance(value, str) else json.dumps(value)
