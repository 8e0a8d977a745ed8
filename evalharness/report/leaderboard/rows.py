"""Makes the rows of a leaderboard, from runs and from published results."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from evalharness.data.runs import Run
from evalharness.report.answer_remarks import abnormal_answer_remarks
from evalharness.report.leaderboard.cells import Cell, ModelRow
from evalharness.report.leaderboard.columns import Column, make_column_of_run
from evalharness.report.naming import RunName
from evalharness.report.published import PublishedResult
from evalharness.report.run_metrics import (
    UNKNOWN_HARDWARE,
    RateEstimate,
    explain_incompleteness,
    measurement_conditions_text,
    pass_rate_of,
)
from evalharness.report.run_settings import Family


def make_rows_of_runs(named_runs: Sequence[tuple[Run, RunName]], metric: str) -> list[ModelRow]:
    """Returns leaderboard rows, one for each model with its settings; repeated runs of one task get separate rows."""
    runs_of_row: dict[tuple[str, int], dict[Column, Run]] = defaultdict(dict)
    families: dict[tuple[str, int], Family] = {}
    for run, name in named_runs:
        column, repetition = make_column_of_run(run.summary), 0
        while column in runs_of_row[name.label, repetition]:
            repetition += 1
        runs_of_row[name.label, repetition][column] = run
        families[name.label, repetition] = name.family
    recipes = _most_frequent_recipe_by_column([run for run, _ in named_runs])
    return [
        ModelRow(
            label + (f" [{repetition + 1}]" if repetition else ""),
            families[label, repetition],
            {column: _make_cell_of_run(run, metric, recipes[column]) for column, run in runs.items()},
            overall_output_tokens_per_s(list(runs.values())),
            "; ".join(dict.fromkeys(filter(None, map(measurement_conditions_text, runs.values())))),
        )
        for (label, repetition), runs in runs_of_row.items()
        if runs
    ]


def _make_cell_of_run(run: Run, metric: str, usual_recipe: str) -> Cell:
    rate, missing = pass_rate_of(run, metric), explain_incompleteness(run)
    assert rate is not None
    summary = run.summary
    recipe, middle = str(summary.get("recipe", "")), summary.get("middle", "free")
    notes = [f"incomplete: {missing}"] if missing else []
    notes += [f"recipe {recipe}"] if recipe and recipe != usual_recipe else []
    notes += [f"middle {middle}"] if middle != "free" else []
    notes += [str(summary["note"])] if summary.get("note") else []
    notes += abnormal_answer_remarks(summary)
    return Cell(rate, notes=tuple(notes), complete=not missing)


def _most_frequent_recipe_by_column(runs: Sequence[Run]) -> dict[Column, str]:
    """Returns the name of the most frequent prompt recipe in each column; cells with another recipe get a footnote."""
    counts: dict[Column, Counter[str]] = defaultdict(Counter)
    for run in runs:
        counts[make_column_of_run(run.summary)][str(run.summary.get("recipe", ""))] += 1
    return {column: recipes.most_common(1)[0][0] for column, recipes in counts.items()}


def overall_output_tokens_per_s(runs: Sequence[Run]) -> float | None:
    """Returns all output tokens / all generation seconds of the timed runs; None if no run was timed."""
    speeds = [run.speed for run in runs if run.speed.get("output_tokens_per_s")]
    seconds = sum(speed["output_tokens"] / speed["output_tokens_per_s"] for speed in speeds)
    return sum(speed["output_tokens"] for speed in speeds) / seconds if seconds else None


def make_published_rows(published_results: Sequence[PublishedResult]) -> list[ModelRow]:
    """Returns leaderboard rows of published results, one for each model in each set of published results.

    If a set has several rates of a model for one task, the first one is used.
    """
    cells: dict[tuple[str, str], dict[Column, Cell]] = defaultdict(dict)
    speeds: dict[tuple[str, str], PublishedResult] = {}
    families: dict[tuple[str, str], Family] = {}
    for point in published_results:
        key = point.model + (f", {point.setting}" if point.setting else ""), point.set
        families[key] = point.family
        if point.is_speed:
            speeds.setdefault(key, point)
        if point.is_rate and point.task:
            value = point.value / 100
            notes = filter(
                None, ["from one secondary source" if point.is_from_one_secondary_source else "", point.conditions]
            )
            cells[key].setdefault(Column(point.task), Cell(RateEstimate(value, value, value), notes=tuple(notes)))
    return [
        ModelRow(
            f"{name} [{set_name}]",
            families[name, set_name],
            row,
            speed.value if (speed := speeds.get((name, set_name))) else None,
            f"{speed.hardware or UNKNOWN_HARDWARE}, {speed.benchmark}" if speed else "",
        )
        for (name, set_name), row in cells.items()
    ]
