"""Draws one panel (task) of the frontier plot: points, curves, error bars, the Pareto frontier and the axes."""

from textwrap import fill
from typing import TYPE_CHECKING

from evalharness.report.frontier.layout import Layout
from evalharness.report.frontier.points import Panel, Point
from evalharness.report.frontier.shapes import STYLES, error_bar_segments, group_points_by_curve, point_position

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PARETO_COLOR = "#009E73"
CROWDED = 30
"""Number of points above which a panel has smaller markers and fainter bars."""
MAX_BATCHES = 4
"""Most batch sizes and concurrencies that an axis label names."""
MIN_SPEED_RATIO = 3.0
"""The least ratio of the ends of the speed axis."""
MIN_RATE_SPAN = 12.0
"""Percentage points that the rate axis spans at least, apart from what is below 0 or above 100 %."""
OUTSIDE = 0.08
"""Part of the rate axis that may be below 0 or above 100 %, as room for the labels of points there."""


def make_point_id(panel_index: int, point_index: int, layout_name: str = "point") -> str:
    """Returns the id of a point's marker in the plot's SVG; it begins with the name of the plot's layout."""
    return f"{layout_name}-{panel_index}-{point_index}"


def draw_panel(axes: "Axes", panel: Panel, panel_index: int, metric: str, speed_label: str, layout: Layout) -> None:
    """Draws a panel of the frontier plot without its points' labels.

    `metric` (such as pass@1) and `speed_label` become the labels of the axes.
    """
    from matplotlib.collections import LineCollection

    axes.set_xscale("log")
    axes.set_title(fill(panel.title, layout.title_width), fontsize=10, loc="left")
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for curve in group_points_by_curve(panel):
        axes.plot([point.speed for point in curve], [100 * point.rate for point in curve], "-", lw=1.2, alpha=0.7,
                  color=STYLES[curve[0].family].color, zorder=2)  # fmt: skip
    if len(panel.pareto) > 1:
        # Steps: at a speed between two points, the runs show only that the faster point's rate can be reached.
        axes.step([point.speed for point in panel.pareto], [100 * point.rate for point in panel.pareto], where="pre",
                  color=PARETO_COLOR, lw=2.2, alpha=0.55, zorder=1)  # fmt: skip
    crowded = len(panel.points) > CROWDED
    for family, style in STYLES.items():
        bars = [bar for point in panel.points if point.family == family for bar in error_bar_segments(point)]
        alpha = 0.35 if crowded else 0.6
        axes.add_collection(LineCollection(bars, colors=style.color, linewidths=0.9, alpha=alpha), autolim=False)
    for number, point in enumerate(panel.points):
        _draw_point(axes, point, make_point_id(panel_index, number, layout.name), crowded)
    _set_axis_limits(axes, panel)
    axes.set_xlabel(
        fill(f"{speed_label} (log scale), {panel_measurement_conditions_text(panel)}", layout.axis_width), fontsize=8.5
    )
    axes.set_ylabel(f"{metric} (%)", fontsize=8.5)


def panel_measurement_conditions_text(panel: Panel) -> str:
    """Returns a text with hardware, batch sizes and concurrencies of a panel's measured speeds, for the axis label."""
    measured = [point for point in panel.points if not point.published]
    hardware = dict.fromkeys(point.hardware for point in measured)
    batches = dict.fromkeys(point.batch for point in measured if point.batch)
    shown = list(batches) if len(batches) <= MAX_BATCHES else [*list(batches)[: MAX_BATCHES - 1], "others"]
    return "; ".join(filter(None, [" / ".join(hardware), " / ".join(shown)]))


def _draw_point(axes: "Axes", point: Point, marker_id: str, is_crowded: bool) -> None:
    style = STYLES[point.family]
    speed, percent = point_position(point)
    [marker] = axes.plot(
        [speed], [percent], style.marker, color=style.color, zorder=4, ls="none",
        markersize=(5.5 if is_crowded else 7) + (1 if style.marker == "^" else 0),
        markerfacecolor="white" if point.published else style.color,
        markeredgecolor=style.color if point.published else "white", markeredgewidth=1.3 if point.published else 0.7,
    )  # fmt: skip
    marker.set_gid(marker_id)


def _set_axis_limits(axes: "Axes", panel: Panel) -> None:
    """Sets the limits and ticks of a panel's axes, so that labels have room on all sides."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    speeds = [value for point in panel.points for value in (point.speed, *(point.speed_ci95 or ()))]
    low, high = min(speeds), max(speeds)
    ratio = max(high / low, MIN_SPEED_RATIO)
    center = (low * high) ** 0.5
    axes.set_xlim(center / ratio**0.5 / ratio**0.18, center * ratio**0.5 * ratio**0.18)
    rates = [100 * value for point in panel.points for value in (point.rate, *(point.rate_ci95 or ()))]
    span = max(rates) - min(rates)
    margin = max(0.14 * span, (MIN_RATE_SPAN - span) / 2)
    outside = OUTSIDE * (span + 2 * margin)
    limits = max(min(rates) - margin, -outside), min(max(rates) + margin, 100 + outside)
    axes.set_ylim(*limits)
    axes.set_yticks([tick for tick in axes.get_yticks() if -1e-9 <= tick <= 100 + 1e-9])
    axes.set_ylim(*limits)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if ratio > 300 else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_locator(NullLocator())
