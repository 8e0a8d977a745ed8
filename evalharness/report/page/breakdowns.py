"""Rates by kind of problem, runs side by side: for each task by each of its facets, for each family by language."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from evalharness.report.frontier.points import panel_title
from evalharness.report.page.overview import Entry
from evalharness.report.page.prompts import FAMILIES, family_of
from evalharness.report.run_metrics import standing
from evalharness.report.summary_table import conditions

RATE = "pass@1"
ORDERS = {"difficulty": ("easy", "medium", "hard")}
"""Facets whose kinds have an order of their own; the others' are sorted by name."""

Cell = list[Any] | None
"""Run, value, low end, high end, problems; None where the run has no such problems."""


def breakdowns(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Tables of pass@1 by kind of problem. Runs on other problems never share one.

    Each is {"title", "facet", "columns": [{"label", "detail", "run"}], "rows": [{"kind", "cells": [Cell]}]}; `facet` is
    empty in a table by language, whose rows are tasks.
    """
    return [*_by_facet(entries), *_by_language(entries)]


def _by_facet(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    by_task: dict[str, list[Entry]] = {}
    for one in entries:
        by_task.setdefault(panel_title(one.run.summary), []).append(one)
    for task, those in by_task.items():
        for facet in dict.fromkeys(name for one in those for name in one.run.summary.get("facets", {})):
            found = [one.run.summary.get("facets", {}).get(facet, {}) for one in those]
            rows = [
                {
                    "kind": kind,
                    "cells": [_cell(one, each.get(kind, {})) for one, each in zip(those, found, strict=True)],
                }
                for kind in _sorted(facet, {kind for each in found for kind in each})
            ]
            yield _table(f"{task} by {facet}", facet, those, rows)


def _by_language(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    families: dict[str, dict[tuple[str, str], dict[str, Entry]]] = {}
    for one in entries:
        family, language = family_of(str(one.run.summary["task"]))
        if family in FAMILIES:
            kind = {"full": "", "sample": "-sample", "other data": ", OTHER DATA"}[standing(one.run)]
            column = (one.shown.label, conditions(one.run.summary))
            families.setdefault(family + kind, {}).setdefault(column, {})[language] = one
    for family, columns in families.items():
        rows = []
        for language in sorted({language for column in columns.values() for language in column}):
            found = [column.get(language) for column in columns.values()]
            rows.append({"kind": language, "cells": [one and _cell(one, one.run.summary) for one in found]})
        heads = [next(iter(column.values())) for column in columns.values()]
        yield _table(f"{family} by language", "", heads, rows)


def _table(title: str, facet: str, heads: Iterable[Entry], rows: list[dict[str, Any]]) -> dict[str, Any]:
    columns = [
        {
            "label": one.shown.label,
            "detail": f"{one.run.summary['backend']}, {conditions(one.run.summary)}",
            "run": one.name,
        }
        for one in heads
    ]
    return {"title": title, "facet": facet, "columns": columns, "rows": rows}


def _cell(one: Entry, of: Mapping[str, Any]) -> Cell:
    """`of` has `metrics` and `problems`, as a summary and each kind of a facet in it."""
    rate = of.get("metrics", {}).get(RATE)
    return [one.name, rate["value"], *rate["ci95"], of["problems"]] if rate else None


def _sorted(facet: str, kinds: Iterable[str]) -> list[str]:
    order = {kind: number for number, kind in enumerate(ORDERS.get(facet, ()))}
    return sorted(kinds, key=lambda kind: (order.get(kind, len(order)), kind))
