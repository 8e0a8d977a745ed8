"""Colours, markers, curves and error bars of the frontier plot."""

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from evalharness.report.frontier.points import Panel, Point
from evalharness.report.naming import CurveKey
from evalharness.report.run_settings import Family

Position = tuple[float, float]
"""Tokens/s and rate in percent: the units of the axes."""
Segment = tuple[Position, Position]


class ModelFamilyStyle(NamedTuple):
    """Colour, marker and name of a model family in the frontier plot; colours are colour-blind safe (Okabe and Ito)."""

    color: str
    marker: str
    name: str


STYLES: dict[Family, ModelFamilyStyle] = {
    "ar": ModelFamilyStyle("#0072B2", "o", "autoregressive"),
    "diffusion": ModelFamilyStyle("#D55E00", "^", "diffusion"),
    "other": ModelFamilyStyle("#5D6B75", "s", "unknown type"),
}


def point_position(point: Point) -> Position:
    """Returns a point's coordinates in the frontier plot: tokens/s and pass rate in percent."""
    return point.speed, 100 * point.rate


def group_points_by_curve(panel: Panel) -> list[list[Point]]:
    """Returns a panel's measured points, grouped by curve.

    A curve connects the runs of one model that differ only in numeric settings, such as a threshold.
    """
    by_curve: dict[CurveKey, list[Point]] = defaultdict(list)
    for point in panel.points:
        if not point.published:
            by_curve[point.curve].append(point)
    return [sorted(points, key=lambda point: point.swept_values) for points in by_curve.values()]


def error_bar_segments(point: Point) -> list[Segment]:
    """Returns the line segments that show a point's confidence intervals of rate and speed."""
    speed, percent = point_position(point)
    bars: list[Segment] = []
    if point.rate_ci95:
        low, high = point.rate_ci95
        bars.append(((speed, 100 * low), (speed, 100 * high)))
    if point.speed_ci95:
        low, high = point.speed_ci95
        bars.append(((low, percent), (high, percent)))
    return bars


def all_line_segments(panel: Panel) -> list[Segment]:
    """Returns all line segments in a panel: steps of the Pareto frontier, curves and confidence intervals."""
    lines: list[Segment] = []
    for slower, faster in pairwise(map(point_position, panel.pareto)):
        corner = (slower[0], faster[1])
        lines += [(corner, faster), (slower, corner)]
    for curve in group_points_by_curve(panel):
        lines += list(pairwise(map(point_position, curve)))
    for point in panel.points:
        lines += error_bar_segments(point)
    return lines
