"""The points of the speed-quality frontier: one per run, one panel per task, and which of them no other beats."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness.errors import UserError
from evalharness.report.naming import Family, name_runs
from evalharness.report.published import PublishedPoint
from evalharness.report.published import speed_of as published_speed
from evalharness.report.run_metrics import (
    hardware_of,
    rate_of,
    shortfall,
    speed_conditions,
    speed_interval,
    speed_of,
    standing,
)
from evalharness.report.runs import RunRecord
from evalharness.util.text import counted


@dataclass(frozen=True)
class Point:
    """A place in a panel. Rates and their ends are fractions, speeds tokens/s."""

    label: str
    family: Family
    curve: tuple[Any, ...]
    """Equal for the points that one line joins."""
    rate: float
    rate_ends: tuple[float, float] | None
    speed: float
    speed_ends: tuple[float, float] | None
    hardware: str
    detail: str
    """Conditions, for who points at it."""
    published: bool = False
    whole: bool = True
    """Whether the run covers its task; one that does not is marked and beats nobody."""
    short: str = ""
    """What a point within a curve is called, whose model is named at the curve's end."""
    swept: tuple[float, ...] = ()
    """The swept numbers, in whose order a line joins the points of its curve."""
    origin: str = ""
    """Of a published point: set, hardware and conditions of its speed, for the caption."""


@dataclass(frozen=True)
class Panel:
    """The points of one task, slowest first."""

    title: str
    points: tuple[Point, ...]
    pareto: tuple[Point, ...]
    """Measured points of whole runs that no other is both as fast and as right as, slowest first."""
    standing: str = "full"
    """Of what its runs are: `full`, `sample`, or `other data`."""


def panels(
    runs: Sequence[RunRecord],
    published: Sequence[PublishedPoint] = (),
    metric: str = "pass@1",
    kind: str = "aggregate",
    note: Callable[[str], None] = lambda text: None,
) -> list[Panel]:
    """One panel per task (and version, split and options of its data), in the order of the runs.

    Runs without a speed or rate are left out, and `note` says how many. Raises UserError where none is left.
    """
    held: dict[str, list[Point]] = defaultdict(list)
    tasks: dict[str, str] = {}
    standings: dict[str, str] = {}
    left_out = 0
    for run, name in zip(runs, name_runs(runs), strict=True):
        rate, speed = rate_of(run, metric), speed_of(run, kind)
        title = panel_title(run.summary)
        if rate is None or speed is None:
            left_out += 1
            continue
        standings[title] = standing(run)
        if standings[title] == "full":
            tasks[title] = str(run.summary.get("task"))
        lacking = shortfall(run)
        detail = "\n".join(filter(None, [speed_conditions(run), lacking, str(run.folder)]))
        held[title].append(
            Point(
                name.label + ("*" if lacking else ""), name.family, name.curve, rate.value, (rate.low, rate.high),
                speed, speed_interval(run, kind), hardware_of(run), detail, whole=not lacking,
                short=name.short, swept=name.swept,
            )
        )  # fmt: skip
    if left_out:
        note(f"{counted(left_out, 'run')} left out, without {metric} or tokens/s (what was not measured is not drawn)")
    if not held:
        raise UserError(
            f"none of the runs has both {metric} and tokens/s; run a backend that is timed, with enough --n"
        )
    if metric == "pass@1":
        for title, task in tasks.items():
            held[title] += published_points(published, task)
    return [
        Panel(title, tuple(sorted(points, key=lambda point: point.speed)), pareto(points), standings[title])
        for title, points in held.items()
    ]


def panel_title(summary: Mapping[str, Any]) -> str:
    """The task and what makes its problems other ones: version, split, window; data that are not the official."""
    parts = [str(summary.get("task"))]
    parts += [str(summary["version"])] if summary.get("version") else []
    parts += [f"split {summary['split']}"] if summary.get("split") else []
    options = {
        key: value for key, value in summary.get("options", {}).items() if key not in ("recipe", "version", "split")
    }
    parts += [f"{key} {value}" for key, value in options.items()]
    if not summary.get("official_data", True) and not parts[0].endswith("-sample"):
        parts.append("OTHER DATA")
    return ", ".join(parts)


def pareto(points: Iterable[Point]) -> tuple[Point, ...]:
    """The measured points of whole runs that no other is at least as fast and as right as; slowest first."""
    best: list[Point] = []
    ranked = sorted(
        (point for point in points if not point.published and point.whole),
        key=lambda point: (-point.speed, -point.rate),
    )
    for point in ranked:
        if not best or point.rate > best[-1].rate:
            best.append(point)
    return tuple(reversed(best))


def published_points(points: Sequence[PublishedPoint], task: str) -> list[Point]:
    """Those with a rate on the task and a speed that goes with it."""
    found = []
    for point in points:
        if point.is_rate and point.task == task and (speed := published_speed(point, points)):
            where = "" if speed.benchmark == point.benchmark else f", speed on {speed.benchmark}"
            hardware = speed.hardware or "hardware not stated"
            said = "; ".join(filter(None, [point.conditions, speed.conditions]))
            detail = f"{hardware}{where}\n{said}\n{point.evidence}: {point.source}"
            found.append(
                Point(
                    point.name, point.family, (point.set, point.name), point.value / 100, None, speed.value, None,
                    hardware, detail, published=True, origin=f"{point.set}: {hardware}{where} ({speed.conditions})",
                )
            )  # fmt: skip
    return found


def listing(panel: Panel) -> list[str]:
    """The Pareto frontier in words, one line per point."""
    lines = [f"Pareto frontier of {panel.title}, slowest first:"]
    lines += [f"  {point.speed:10.1f} tokens/s  {100 * point.rate:5.1f} %  {point.label}" for point in panel.pareto]
    return lines if panel.pareto else [f"{panel.title}: no run covers the whole task, so there is no Pareto frontier"]


def caption(every: Sequence[Panel], published: bool, metric: str = "pass@1") -> list[str]:
    """What has to be known to read the picture, one line each."""
    steps = "; steps: the Pareto frontier" if any(len(panel.pareto) > 1 for panel in every) else ""
    lines = [f"Bars: 95 % intervals. Lines join runs of one model with swept settings{steps}."]
    if any(not point.whole for panel in every for point in panel.points):
        lines.append("* the run does not cover its task.")
    drawn = {point.label: point for panel in every for point in panel.points if point.published}
    if published:
        lines += _absent(every, bool(drawn), metric)
    if drawn:
        origins = dict.fromkeys(point.origin.replace(" ()", "") for point in drawn.values())
        lines.append("Hollow: published, not measured here, each set under conditions of its own:")
        lines += origins
        if any("(one copy)" in name for name in drawn):
            lines.append("(one copy): known from one second-hand copy alone.")
    return lines


def _absent(every: Sequence[Panel], drawn: bool, metric: str) -> list[str]:
    """Why published points that were asked for are not there."""
    if metric != "pass@1":
        return [f"Published points are of pass@1 and are not drawn beside {metric}."]
    lines = []
    if any(panel.standing != "full" for panel in every):
        lines.append("Published points are of whole benchmarks and are not drawn beside samples or other data.")
    if not drawn and any(panel.standing == "full" for panel in every):
        lines.append("No published point has both a rate on these tasks and a speed.")
    return lines
