"""The points of the frontier plot: one point per run, one panel per task, and the Pareto frontier of each task."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.metrics.intervals import Interval
from evalharness.report.naming import CurveKey, RunName, name_runs
from evalharness.report.published import PublishedResult, find_published_speed_of
from evalharness.report.run_metrics import (
    UNKNOWN_HARDWARE,
    batch_or_concurrency_text,
    explain_incompleteness,
    hardware_text,
    measurement_conditions_text,
    pass_rate_of,
    tokens_per_s_interval_of,
    tokens_per_s_of,
)
from evalharness.report.run_settings import Family
from evalharness.report.task_variant import DataKind, data_kind, task_name_of, task_title
from evalharness.util.text import counted


@dataclass(frozen=True)
class Point:
    """A run, or a published result, in the frontier plot: pass rate (fraction) and tokens/s, with 95 % intervals."""

    label: str
    family: Family
    curve: CurveKey
    """Equal for the points that one line connects."""
    rate: float
    rate_ci95: Interval | None
    speed: float
    speed_ci95: Interval | None
    hardware: str
    detail: str
    """Conditions and folder, for the note that the HTML version shows."""
    published: bool = False
    complete: bool = True
    """Whether the run covers its task. An incomplete run is marked and is not part of the Pareto frontier."""
    short_label: str = ""
    """The label of a point within a curve; the model is named at the curve's fastest point alone."""
    swept_values: tuple[float, ...] = ()
    """The swept numbers. The line connects the points of a curve in their order."""
    batch: str = ""
    """Batch and concurrency of the speed, for the axis."""
    origin: str = ""
    """Of a published point: set, hardware and conditions of its speed, for the caption."""


@dataclass(frozen=True)
class Panel:
    """One panel of the frontier plot: the points of one task, slowest first, and its Pareto frontier."""

    title: str
    points: tuple[Point, ...]
    pareto: tuple[Point, ...]
    """The Pareto frontier, slowest first (see `find_pareto_frontier`)."""
    data_kind: DataKind = DataKind.FULL


def make_frontier_panels(
    runs: Sequence[Run],
    published: Sequence[PublishedResult] = (),
    metric: str = "pass@1",
    speed_kind: str = "aggregate",
    note: Callable[[str], None] = lambda text: None,
) -> list[Panel]:
    """Returns the frontier plot's panels: one for each combination of task, data version, split and task options.

    Runs without the rate `metric` or without a speed of the kind `speed_kind` (see `tokens_per_s_of`) are omitted;
    `note` is called with a text that states their number. Published results are pass@1 on full data, so they are only
    added to panels that show pass@1 on full data. Raises UserError if no run is left.
    """
    points: dict[str, list[Point]] = defaultdict(list)
    first_of_panel: dict[str, Run] = {}
    left_out = 0
    for run, name in zip(runs, name_runs(runs), strict=True):
        point = _make_measured_point(run, name, metric, speed_kind)
        if point is None:
            left_out += 1
            continue
        title = task_title(run.summary)
        points[title].append(point)
        first_of_panel.setdefault(title, run)
    if left_out:
        note(f"{counted(left_out, 'run')} without {metric} or tokens/s omitted")
    if not points:
        raise UserError(
            f"no run has both {metric} and tokens/s; give runs with enough samples per problem (--n), of a backend "
            "other than reference and replay"
        )
    kinds = {title: data_kind(run.summary) for title, run in first_of_panel.items()}
    if metric == "pass@1":
        for title, run in first_of_panel.items():
            if kinds[title] is DataKind.FULL:
                points[title] += make_published_points(published, task_name_of(run.summary))
    return [
        Panel(title, tuple(sorted(of_task, key=lambda point: point.speed)), find_pareto_frontier(of_task), kinds[title])
        for title, of_task in points.items()
    ]


def _make_measured_point(run: Run, name: RunName, metric: str, speed_kind: str) -> Point | None:
    """Returns a run's point in the frontier plot; None if the run lacks the pass rate or the speed."""
    rate, speed = pass_rate_of(run, metric), tokens_per_s_of(run, speed_kind)
    if rate is None or speed is None:
        return None
    missing = explain_incompleteness(run)
    return Point(
        label=name.label + ("*" if missing else ""),
        family=name.family,
        curve=name.frontier_curve_key,
        rate=rate.value,
        rate_ci95=(rate.low, rate.high),
        speed=speed,
        speed_ci95=tokens_per_s_interval_of(run, speed_kind),
        hardware=hardware_text(run),
        detail="\n".join(filter(None, [measurement_conditions_text(run), missing, str(run.folder)])),
        complete=not missing,
        short_label=name.short_label,
        swept_values=name.swept_values,
        batch=batch_or_concurrency_text(run),
    )


def make_published_points(published_results: Sequence[PublishedResult], task_name: str) -> list[Point]:
    """Returns points of the frontier plot for published results that have a rate on the task and a speed."""
    drawn = []
    for point in published_results:
        if point.is_rate and point.task == task_name and (speed := find_published_speed_of(point, published_results)):
            benchmark = "" if speed.benchmark == point.benchmark else f", speed on {speed.benchmark}"
            hardware = speed.hardware or UNKNOWN_HARDWARE
            conditions = "; ".join(filter(None, [point.conditions, speed.conditions]))
            drawn.append(
                Point(
                    label=point.name,
                    family=point.family,
                    curve=(point.set, point.name),
                    rate=point.value / 100,
                    rate_ci95=None,
                    speed=speed.value,
                    speed_ci95=None,
                    hardware=hardware,
                    detail=f"{hardware}{benchmark}\n{conditions}\n{point.evidence}: {point.source}",
                    published=True,
                    origin=f"{point.set}: {hardware}{benchmark} ({speed.conditions})",
                )
            )
    return drawn


def find_pareto_frontier(points: Iterable[Point]) -> tuple[Point, ...]:
    """Returns the Pareto-optimal points: measured, of complete runs, and not dominated by another; slowest first.

    A point dominates another where its speed and rate are at least as high, and one of them is higher.
    """
    frontier: list[Point] = []
    candidates = sorted(
        (point for point in points if not point.published and point.complete),
        key=lambda point: (-point.speed, -point.rate),
    )
    for point in candidates:
        if not frontier or point.rate > frontier[-1].rate:
            frontier.append(point)
    return tuple(reversed(frontier))
