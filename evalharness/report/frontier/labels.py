"""The labels of a frontier's panel, and the lines that they had better keep clear of."""

from collections import defaultdict
from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING, Any

from evalharness.report.frontier.label_placement import Box, place
from evalharness.report.frontier.points import Panel, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = {"ar": ("#0072B2", "o", "autoregressive"), "diffusion": ("#D55E00", "^", "diffusion"),
          "other": ("#5D6B75", "s", "family not stated")}  # fmt: skip
"""Colour (of Okabe and Ito's palette, told apart by the colour-blind), marker and name of each family."""
LABEL_SIZE = 7.5


def label(figure: "Figure", axes: "Axes", panel: Panel, most: int) -> int:
    """Names of points: those measured here first, the Pareto frontier's before all; a curve's name at its fast end."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

    chosen = _by_importance(panel)[:most]
    ends = {point.curve: point for point in panel.points}
    texts = [fill(point.label if ends[point.curve] == point else point.short or point.label, 34) for point in chosen]
    renderer: Any = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    scale, font = figure.dpi / 72, FontProperties(size=LABEL_SIZE)
    sizes = [_extent(renderer, text, font, scale) for text in texts]
    corner, far = axes.transAxes.transform([(0, 0), (1, 1)])
    area = Box(corner[0], corner[1], far[0] - corner[0], far[1] - corner[1])
    anchors = axes.transData.transform([(point.speed, 100 * point.rate) for point in chosen])
    marks = axes.transData.transform([(point.speed, 100 * point.rate) for point in panel.points])
    taken = [Box(x - 5 * scale, y - 5 * scale, 10 * scale, 10 * scale) for x, y in marks]
    spots = [(float(x), float(y)) for x, y in anchors]
    boxes = place(spots, sizes, area, taken, _lines(axes, panel, scale), scale)
    for text, point, anchor, box in zip(texts, chosen, anchors, boxes, strict=True):
        if box is None:
            continue
        x, y = axes.transAxes.inverted().transform((box.x, box.y))
        colour = STYLES[point.family][0]
        axes.text(x, y, text, transform=axes.transAxes, fontsize=LABEL_SIZE, va="bottom", ha="left", color=colour,
                  style="italic" if point.published else "normal", linespacing=1.0, zorder=5,
                  bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.2})  # fmt: skip
        _lead(axes, box, anchor, colour, scale)
    return len(panel.points) - sum(box is not None for box in boxes)


def _by_importance(panel: Panel) -> list[Point]:
    fastest_first = panel.points[::-1]
    ends = {point.curve: point for point in panel.points}
    own = [point for point in fastest_first if not point.published]
    published = [point for point in fastest_first if point.published]
    return list(dict.fromkeys([*panel.pareto, *(p for p in own if ends[p.curve] == p), *own, *published]))


def curves_of(panel: Panel) -> list[list[Point]]:
    """The measured points that one line joins, in the order of the swept numbers; those that stand alone too."""
    curves: dict[Any, list[Point]] = defaultdict(list)
    for point in panel.points:
        if not point.published:
            curves[point.curve].append(point)
    return [sorted(points, key=lambda point: point.swept) for points in curves.values()]


def bars_of(point: Point) -> list[list[tuple[float, float]]]:
    """The ends of its intervals, in the units of the axes."""
    found = []
    if point.rate_ends:
        found.append([(point.speed, 100 * end) for end in point.rate_ends])
    if point.speed_ends:
        found.append([(end, 100 * point.rate) for end in point.speed_ends])
    return found


def _lines(axes: "Axes", panel: Panel, scale: float) -> list[Box]:
    """Curves, frontier and intervals as rows of small boxes, in pixels."""
    import numpy as np

    steps = [[(one.speed, 100 * other.rate), (other.speed, 100 * other.rate)] for one, other in pairwise(panel.pareto)]
    steps += [[(one.speed, 100 * one.rate), (one.speed, 100 * other.rate)] for one, other in pairwise(panel.pareto)]
    paths = [[(one.speed, 100 * one.rate), (two.speed, 100 * two.rate)]
             for curve in curves_of(panel) for one, two in pairwise(curve)]  # fmt: skip
    bars = [bar for point in panel.points for bar in bars_of(point)]
    if not (steps or paths or bars):
        return []
    ends = axes.transData.transform(np.asarray([*steps, *paths, *bars]).reshape(-1, 2)).reshape(-1, 2, 2)
    found = []
    for (x0, y0), (x1, y1) in ends.tolist():
        count = int(max(abs(x1 - x0), abs(y1 - y0)) / (14 * scale)) + 1
        found += [
            Box(x0 + (x1 - x0) * part / count - scale, y0 + (y1 - y0) * part / count - scale, 2 * scale, 2 * scale)
            for part in range(count + 1)
        ]
    return found


def _extent(renderer: Any, text: str, font: Any, scale: float) -> tuple[float, float]:
    lines = text.split("\n")
    widths = [renderer.get_text_width_height_descent(line, font, False)[0] for line in lines]
    return max(widths) + 2 * scale, 1.22 * LABEL_SIZE * scale * len(lines)


def _lead(axes: "Axes", box: Box, anchor: Any, colour: str, scale: float) -> None:
    """A thin line from a label to its point, where the two are not plainly beside each other."""
    x = min(max(anchor[0], box.x), box.x + box.width)
    y = min(max(anchor[1], box.y), box.y + box.height)
    if ((x - anchor[0]) ** 2 + (y - anchor[1]) ** 2) ** 0.5 > 10 * scale:
        ends = axes.transAxes.inverted().transform([(x, y), anchor])
        axes.plot(ends[:, 0], ends[:, 1], transform=axes.transAxes, lw=0.5, color=colour, alpha=0.7, zorder=3)
