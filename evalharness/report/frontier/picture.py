"""The speed-quality frontier as a picture: PNG, SVG, or HTML that tells about the point under the pointer."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from evalharness.errors import UserError
from evalharness.report.frontier.labels import STYLES, bars_of, curves_of, label
from evalharness.report.frontier.points import Panel, Point, caption
from evalharness.util.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".html")
KINDS = {
    "aggregate": "output tokens/s", "steady": "output tokens/s, steady window",
    "request": "output tokens/s of one request", "common": "tokens/s, common tokenizer",
}  # fmt: skip
PARETO = "#009E73"
COLUMNS = 4
FEW_PANELS = 9
MOST_LABELS = (40, 16)
"""In a panel, of few panels and of many, where there is less room; likewise the dots per inch."""
DPI = (150, 110)
KEY_COLUMNS = (4, 8)
"""So many entries of the key have room beside each other over one panel, and over several."""


def draw(
    every: Sequence[Panel], out: Path, metric: str = "pass@1", kind: str = "aggregate", published: bool = False
) -> int:
    """Writes the picture to `out`; how many labels had no room. HTML names every point under the pointer.

    Raises UserError for a format that is not one of these.
    """
    if out.suffix not in FORMATS:
        raise UserError(f"{out} is of no known format; give --out a name that ends in {', '.join(FORMATS)}")
    figure, left_out = figure_of(every, metric, kind, published)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".html":
            from evalharness.report.frontier.html import write_html

            write_html(figure, every, out, metric)
        else:
            figure.savefig(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another --out") from None
    return left_out


def figure_of(
    every: Sequence[Panel], metric: str = "pass@1", kind: str = "aggregate", published: bool = False
) -> "tuple[Figure, int]":
    """The picture before it is written, and how many labels had no room."""
    import matplotlib

    matplotlib.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "evalharness", "font.size": 9, "text.parse_math": False}
    )
    return make_figure(every, caption(every, published, metric), metric, KINDS[kind])


def make_figure(every: Sequence[Panel], lines: Sequence[str], metric: str, kind: str) -> "tuple[Figure, int]":
    """All panels in a grid under one key, with the lines below; and how many labels had no room."""
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(every), 1 if len(every) == 1 else 2 if len(every) <= 4 else 3 if len(every) <= 9 else 4)
    rows = -(-len(every) // columns)
    width, height = (7.6, 5.4) if len(every) == 1 else (5.4, 4.1)
    text = "\n".join(fill(line, int(16 * width * columns)) for line in lines)
    foot = 0.17 * (text.count("\n") + 1) + 0.15
    size = (width * columns, height * rows + foot + 0.6)
    figure = Figure(figsize=size, dpi=DPI[len(every) > FEW_PANELS])
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.75 / size[0], right=1 - 0.25 / size[0], top=1 - 0.7 / size[1], bottom=(foot + 0.75) / size[1],
        wspace=0.85 / (width - 0.85), hspace=0.95 / (height - 0.95),
    )  # fmt: skip
    left_out = 0
    for number, axes in enumerate(grid.flat):
        if number >= len(every):
            axes.set_visible(False)
            continue
        _draw_panel(axes, every[number], number, metric, kind)
        left_out += label(figure, axes, every[number], MOST_LABELS[len(every) > FEW_PANELS])
    _key(figure, every)
    more = [f"{counted(left_out, 'label')} had no room; the HTML version names every point."] if left_out else []
    figure.text(0.2 / size[0], 0.1 / size[1], "\n".join([text, *more]), fontsize=8, va="bottom", color="#333333")
    return figure, left_out


def _draw_panel(axes: "Axes", panel: Panel, number: int, metric: str, kind: str) -> None:
    from matplotlib.collections import LineCollection

    own = [point for point in panel.points if not point.published]
    axes.set_xscale("log")
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for points in curves_of(panel):
        axes.plot([p.speed for p in points], [100 * p.rate for p in points], "-", lw=1.2, alpha=0.7,
                  color=STYLES[points[0].family][0], zorder=2)  # fmt: skip
    _draw_pareto(axes, panel)
    crowded = len(panel.points) > 30
    for family, (colour, _, _) in STYLES.items():
        bars = [bar for point in panel.points if point.family == family for bar in bars_of(point)]
        axes.add_collection(
            LineCollection(bars, colors=colour, linewidths=0.9, alpha=0.35 if crowded else 0.6), autolim=False
        )
    for number_, point in enumerate(panel.points):
        _draw_point(axes, point, f"point-{number}-{number_}", crowded)
    _limits(axes, panel)
    hardware = list(dict.fromkeys(point.hardware for point in own))
    axes.set_xlabel(fill(f"{kind} (log) on {' / '.join(hardware)}", 72), fontsize=8.5)
    axes.set_ylabel(f"{metric}, %", fontsize=8.5)


def _draw_pareto(axes: "Axes", panel: Panel) -> None:
    """Steps: whoever is slower than a point of the frontier may be as right as it is, and no more is shown."""
    if len(panel.pareto) > 1:
        axes.step([p.speed for p in panel.pareto], [100 * p.rate for p in panel.pareto], where="pre",
                  color=PARETO, lw=2.2, alpha=0.55, zorder=1)  # fmt: skip


def _draw_point(axes: "Axes", point: Point, name: str, crowded: bool) -> None:
    colour, marker, _ = STYLES[point.family]
    [drawn] = axes.plot(
        [point.speed], [100 * point.rate], marker, color=colour, zorder=4, ls="none",
        markersize=(5.5 if crowded else 7) + (1 if marker == "^" else 0),
        markerfacecolor="white" if point.published else colour,
        markeredgecolor=colour if point.published else "white", markeredgewidth=1.3 if point.published else 0.7,
    )  # fmt: skip
    drawn.set_gid(name)


def _limits(axes: "Axes", panel: Panel) -> None:
    """Room on all sides for labels; at least twelve points of rate, and half a decade of speed on a log axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    speeds = [value for point in panel.points for value in (point.speed, *(point.speed_ends or ()))]
    low, high = min(speeds), max(speeds)
    ratio = max(high / low, 3.0)
    middle = (low * high) ** 0.5
    axes.set_xlim(middle / ratio**0.5 / ratio**0.18, middle * ratio**0.5 * ratio**0.18)
    rates = [100 * value for point in panel.points for value in (point.rate, *(point.rate_ends or ()))]
    span = max(rates) - min(rates)
    room = max(0.14 * span, (12.0 - span) / 2)
    axes.set_ylim(min(rates) - room, max(rates) + room)
    axes.set_yticks([tick for tick in axes.get_yticks() if -1e-9 <= tick <= 100 + 1e-9])
    axes.set_ylim(min(rates) - room, max(rates) + room)
    subs = (1.0,) if ratio > 300 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _key(figure: "Figure", every: Sequence[Panel]) -> None:
    from matplotlib.lines import Line2D

    drawn = {(point.family, point.published) for panel in every for point in panel.points}
    handles = [
        Line2D([], [], color=colour, marker=marker, ls="none", markersize=7,
               markerfacecolor="white" if published else colour, label=name + (", published" if published else ""))
        for published in (False, True)
        for family, (colour, marker, name) in STYLES.items()
        if (family, published) in drawn
    ]  # fmt: skip
    if any(len(panel.pareto) > 1 for panel in every):
        handles.append(Line2D([], [], color=PARETO, lw=2.2, alpha=0.55, label="Pareto frontier"))
    most = KEY_COLUMNS[len(every) > 1]
    figure.legend(handles=handles, loc="upper center", ncols=min(most, len(handles)), frameon=False, fontsize=9,
                  columnspacing=1.2, handlelength=1.2, handletextpad=0.5, labelspacing=0.2)  # fmt: skip
