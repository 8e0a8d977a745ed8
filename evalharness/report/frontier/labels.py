"""Draws the labels of a panel of the frontier plot: which points have one, where it lies, and its leader line."""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from evalharness.report.frontier.label_placement import Box, place_labels
from evalharness.report.frontier.points import Panel, Point
from evalharness.report.frontier.shapes import STYLES, all_line_segments, point_position
from evalharness.report.naming import CurveKey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABEL_SIZE = 7.5
LINE_SPACING = 1.22
"""Height of a line of a label, as a multiple of `LABEL_SIZE`."""
POINT_RADIUS = 5.0
"""Half the width that a point occupies, in points of type."""
LINE_STEP = 14.0
"""Distance between the boxes that represent a line, in points of type."""
UnlabelledPointCount = int
"""Number of points whose labels do not fit into the picture, or exceed the maximum number of labels."""
MIN_LEADER = 10.0
"""A label farther from its point, in points of type, is connected to it by a line."""


def draw_point_labels(
    figure: "Figure", axes: "Axes", panel: Panel, max_labels: int, max_line_characters: int
) -> UnlabelledPointCount:
    """Labels at most `max_labels` points of a panel; returns the number of points without a label.

    A line of a label has at most `max_line_characters` characters. Points of the Pareto frontier are labelled first,
    then other measured points, then published ones. The fastest point of a curve gets the full label; the labels of its
    other points have only the values of the swept options.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

    labelled = _sort_points_by_label_priority(panel)[:max_labels]
    curve_ends = _fastest_points_by_curve(panel)
    texts = [
        fill(point.label if curve_ends[point.curve] == point else point.short_label or point.label, max_line_characters)
        for point in labelled
    ]
    renderer: Any = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    scale, font = figure.dpi / 72, FontProperties(size=LABEL_SIZE)
    sizes = [_measure_label_text(renderer, text, font, scale) for text in texts]
    (left, bottom), (right, top) = axes.transAxes.transform([(0, 0), (1, 1)])
    anchors = _point_positions_in_pixels(axes, labelled)
    radius = POINT_RADIUS * scale
    all_points = _point_positions_in_pixels(axes, panel.points)
    obstacles = [Box(x - radius, y - radius, 2 * radius, 2 * radius) for x, y in all_points]
    area = Box(left, bottom, right - left, top - bottom)
    boxes = place_labels(anchors, sizes, area, obstacles, _boxes_along_lines(axes, panel, scale), scale, all_points)
    for text, point, anchor, box in zip(texts, labelled, anchors, boxes, strict=True):
        if box is None:
            continue
        x, y = axes.transAxes.inverted().transform((box.x, box.y))
        color = STYLES[point.family].color
        axes.text(x, y, text, transform=axes.transAxes, fontsize=LABEL_SIZE, va="bottom", ha="left", color=color,
                  style="italic" if point.published else "normal", linespacing=1.0, zorder=5,
                  bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.2})  # fmt: skip
        _draw_leader_line(axes, box, anchor, color, scale)
    return len(panel.points) - sum(box is not None for box in boxes)


def _sort_points_by_label_priority(panel: Panel) -> list[Point]:
    fastest_first = panel.points[::-1]
    curve_ends = _fastest_points_by_curve(panel)
    measured = [point for point in fastest_first if not point.published]
    published = [point for point in fastest_first if point.published]
    ends = [point for point in measured if curve_ends[point.curve] == point]
    return list(dict.fromkeys([*panel.pareto, *ends, *measured, *published]))


def _fastest_points_by_curve(panel: Panel) -> dict[CurveKey, Point]:
    """Returns the fastest point of each curve in a panel, by the key that identifies the curve."""
    return {point.curve: point for point in panel.points}  # Points are sorted by speed: the last of a curve remains.


def _point_positions_in_pixels(axes: "Axes", points: Sequence[Point]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in axes.transData.transform([point_position(point) for point in points])]


def _boxes_along_lines(axes: "Axes", panel: Panel, pixels_per_point: float) -> list[Box]:
    """Returns small boxes, in pixels, along the lines that are drawn in a panel, so that labels can avoid the lines."""
    import numpy as np

    lines = all_line_segments(panel)
    if not lines:
        return []
    ends = axes.transData.transform(np.asarray(lines).reshape(-1, 2)).reshape(-1, 2, 2)
    boxes = []
    for (x0, y0), (x1, y1) in ends.tolist():
        steps = int(max(abs(x1 - x0), abs(y1 - y0)) / (LINE_STEP * pixels_per_point)) + 1
        for step in range(steps + 1):
            x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
            boxes.append(Box(x - pixels_per_point, y - pixels_per_point, 2 * pixels_per_point, 2 * pixels_per_point))
    return boxes


def _measure_label_text(renderer: Any, text: str, font: Any, pixels_per_point: float) -> tuple[float, float]:
    """Returns width and height, in pixels, of a label's text."""
    lines = text.split("\n")
    widths = [renderer.get_text_width_height_descent(line, font, False)[0] for line in lines]
    return max(widths) + 2 * pixels_per_point, LINE_SPACING * LABEL_SIZE * pixels_per_point * len(lines)


def _draw_leader_line(
    axes: "Axes", label_box: Box, point_pixels: tuple[float, float], color: str, pixels_per_point: float
) -> None:
    """Draws a thin line from a label to its point if they are not next to each other."""
    if label_box.distance_to_point(*point_pixels) > MIN_LEADER * pixels_per_point:
        ends = axes.transAxes.inverted().transform([label_box.nearest_point(*point_pixels), point_pixels])
        axes.plot(ends[:, 0], ends[:, 1], transform=axes.transAxes, lw=0.5, color=color, alpha=0.7, zorder=3)
