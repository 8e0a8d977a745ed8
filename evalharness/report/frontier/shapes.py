"""Colours and markers of the frontier, and what is drawn besides points: curves and interval bars."""

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from evalharness.report.frontier.points import Panel, Point
from evalharness.report.naming import Curve
from evalharness.report.run_settings import Family

Position = tuple[float, float]
"""Tokens/s and rate in percent: the units of the axes."""
Segment = tuple[Position, Position]


class Style(NamedTuple):
    """How the points of a family are drawn. The colours are distinguishable with any colour vision (Okabe and Ito)."""

    color: str
    marker: str
    name: str


STYLES: dict[Family, Style] = {
    "ar": Style("#0072B2", "o", "autoregressive"),
    "diffusion": Style("#D55E00", "^", "diffusion"),
    "other": Style("#5D6B75", "s", "unknown type"),
}


def position(point: Point) -> Position:
    """Returns where a point is drawn."""
    return point.speed, 100 * point.rate


def curves(panel: Panel) -> list[list[Point]]:
    """Returns the measured points by curve, each in the order of the swept numbers; a single point is a curve, too."""
    by_curve: dict[Curve, list[Point]] = defaultdict(list)
    for point in panel.points:
        if not point.published:
            by_curve[point.curve].append(point)
    return [sorted(points, key=lambda point: point.swept) for points in by_curve.values()]


def interval_bars(point: Point) -> list[Segment]:
    """Returns the bars of a point's intervals."""
    speed, percent = position(point)
    bars: list[Segment] = []
    if point.rate_ci95:
        low, high = point.rate_ci95
        bars.append(((speed, 100 * low), (speed, 100 * high)))
    if point.speed_ci95:
        low, high = point.speed_ci95
        bars.append(((low, percent), (high, percent)))
    return bars


def segments(panel: Panel) -> list[Segment]:
    """Returns all lines of a panel: the steps of its Pareto frontier, its curves and its interval bars."""
    lines: list[Segment] = []
    for slower, faster in pairwise(map(position, panel.pareto)):
        corner = (slower[0], faster[1])
        lines += [(corner, faster), (slower, corner)]
    for curve in curves(panel):
        lines += list(pairwise(map(position, curve)))
    for point in panel.points:
        lines += interval_bars(point)
    return lines
