"""Tables of pass@1 by problem category, such as difficulty or month, and by language, with runs side by side."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypedDict

from evalharness.data.run_types import CategoryPassRates, Summary
from evalharness.report.page.entries import RunEntry
from evalharness.report.task_variant import (
    LANGUAGE_FAMILIES,
    SAMPLE_SUFFIX,
    UNOFFICIAL,
    DataKind,
    data_kind,
    settings_that_affect_pass_rates,
    split_task_family_and_language,
    task_name_of,
    task_title,
)

RATE = "pass@1"
ORDERS = {"difficulty": ("easy", "medium", "hard")}
"""Facets (kinds of category, such as difficulty) whose categories have a natural order. Those of other facets are
sorted by name.
"""
FAMILY_MARKS = {DataKind.FULL: "", DataKind.SAMPLE: SAMPLE_SUFFIX, DataKind.UNOFFICIAL: f", {UNOFFICIAL}"}

Cell = tuple[str, float, float, float, int] | None
"""Run, pass@1, ends of its interval, number of problems; None where the run has no problem of the category."""


class BreakdownColumn(TypedDict):
    """A column of a breakdown table: one run, or, in a table by language, one model's runs with equal settings."""

    label: str
    detail: str
    run: str


class BreakdownRow(TypedDict):
    """A row of a breakdown table: pass@1 on one problem category, one cell per column."""

    kind: str
    cells: list[Cell]


class Breakdown(TypedDict):
    """A table of pass@1 by problem category. `facet` is the kind of category, such as "month"; "" for language."""

    title: str
    facet: str
    columns: list[BreakdownColumn]
    rows: list[BreakdownRow]


def make_breakdown_tables(entries: Sequence[RunEntry]) -> list[Breakdown]:
    """Returns tables of pass@1 by problem category for each task, then by programming language for each task family."""
    return [*_make_breakdowns_by_facet(entries), *_make_breakdowns_by_language(entries)]


def _make_breakdowns_by_facet(entries: Sequence[RunEntry]) -> Iterator[Breakdown]:
    by_task: dict[str, list[RunEntry]] = {}
    for entry in entries:
        by_task.setdefault(task_title(entry.run.summary), []).append(entry)
    for title, task_entries in by_task.items():
        facets = dict.fromkeys(facet for entry in task_entries for facet in entry.run.summary.get("facets", {}))
        for facet in facets:
            values = [entry.run.summary.get("facets", {}).get(facet, {}) for entry in task_entries]
            rows: list[BreakdownRow] = [
                {
                    "kind": kind,
                    "cells": [
                        _make_rate_cell(entry, of_run.get(kind))
                        for entry, of_run in zip(task_entries, values, strict=True)
                    ],
                }
                for kind in _sort_categories(facet, {kind for of_run in values for kind in of_run})
            ]
            yield _make_breakdown_table(f"{title} by {facet}", facet, task_entries, rows)


def _make_breakdowns_by_language(entries: Sequence[RunEntry]) -> Iterator[Breakdown]:
    families: dict[str, dict[tuple[str, str], dict[str, RunEntry]]] = {}
    for entry in entries:
        summary = entry.run.summary
        family, language = split_task_family_and_language(task_name_of(summary))
        if family in LANGUAGE_FAMILIES:
            table = families.setdefault(family + FAMILY_MARKS[data_kind(summary)], {})
            table.setdefault((entry.name.label, settings_that_affect_pass_rates(summary)), {})[language] = entry
    for family, columns in families.items():
        rows: list[BreakdownRow] = []
        for language in sorted({language for column in columns.values() for language in column}):
            cells: list[Cell] = []
            for column in columns.values():
                entry_of_language = column.get(language)
                cells.append(
                    _make_rate_cell(entry_of_language, entry_of_language.run.summary) if entry_of_language else None
                )
            rows.append({"kind": language, "cells": cells})
        first_of_columns = [next(iter(column.values())) for column in columns.values()]
        yield _make_breakdown_table(f"{family} by language", "", first_of_columns, rows)


def _make_breakdown_table(title: str, facet: str, entries: Iterable[RunEntry], rows: list[BreakdownRow]) -> Breakdown:
    columns: list[BreakdownColumn] = [
        {
            "label": entry.name.label,
            "detail": f"{entry.run.summary['backend']}, {settings_that_affect_pass_rates(entry.run.summary)}",
            "run": entry.slug,
        }
        for entry in entries
    ]
    return {"title": title, "facet": facet, "columns": columns, "rows": rows}


def _make_rate_cell(entry: RunEntry, rates: CategoryPassRates | Summary | None) -> Cell:
    """Returns a run's cell with pass@1, its interval and the number of problems; None if there is no pass@1.

    `rates` are the run's metrics in one category, or the summary of the whole run.
    """
    rate = rates["metrics"].get(RATE) if rates else None
    return (entry.slug, rate["value"], rate["ci95"][0], rate["ci95"][1], rates["problems"]) if rates and rate else None


def _sort_categories(facet: str, categories: Iterable[str]) -> list[str]:
    order = {kind: rank for rank, kind in enumerate(ORDERS.get(facet, ()))}
    return sorted(categories, key=lambda kind: (order.get(kind, len(order)), kind))
