"""The cells and rows of a leaderboard table."""

from collections.abc import Mapping
from dataclasses import dataclass

from evalharness.report.leaderboard.columns import Column
from evalharness.report.run_metrics import RateEstimate
from evalharness.report.run_settings import Family


@dataclass(frozen=True)
class Cell:
    """A cell of the leaderboard: a model's pass rate on a task, with footnotes."""

    rate: RateEstimate
    best: bool = False
    """Whether it is the highest of its column, or not significantly lower (see `ranking.mark_best_rates`)."""
    notes: tuple[str, ...] = ()
    """What a reader has to know, such as why the run is incomplete."""
    complete: bool = True
    """Whether the run covers its task."""


@dataclass(frozen=True)
class ModelRow:
    """A row of the leaderboard: one model in one configuration, with its cells by column and its speed."""

    name: str
    family: Family
    cells: Mapping[Column, Cell]
    tokens_per_s: float | None = None
    """Output tokens/s over all runs of the row; None where none was timed."""
    speed_conditions: str = ""
    """What the speed was measured on."""
