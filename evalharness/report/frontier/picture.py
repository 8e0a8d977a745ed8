"""Writes the frontier plot (pass rate against tokens/s) as PNG, SVG or PDF, or as HTML that describes each point."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from evalharness.errors import UserError
from evalharness.report.frontier.captions import frontier_caption_lines
from evalharness.report.frontier.labels import UnlabelledPointCount, draw_point_labels
from evalharness.report.frontier.layout import NARROW, Layout, make_wide_layout
from evalharness.report.frontier.panel import PARETO_COLOR, draw_panel
from evalharness.report.frontier.points import Panel
from evalharness.report.frontier.shapes import STYLES
from evalharness.util.text import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

FORMATS = (".png", ".svg", ".pdf", ".html")
SPEED_LABELS = {
    "aggregate": "output tokens/s", "steady": "output tokens/s, steady window",
    "request": "output tokens/s per request, median", "common": "tokens/s, common tokenizer",
}  # fmt: skip
"""The axis label of each kind of speed."""
LEGEND_LINE = 0.18
"""Height of one line of the plot's legend, in inches."""


def write_frontier_plot(
    panels: Sequence[Panel],
    out: Path,
    metric: str = "pass@1",
    speed_kind: str = "aggregate",
    with_published: bool = False,
) -> UnlabelledPointCount:
    """Writes the frontier plot to the file `out`; returns the number of points whose labels did not fit.

    `speed_kind` is the kind of tokens/s to show (see `tokens_per_s_of`). `with_published` is whether the user requested
    published results. Raises UserError for an unknown file format, and if the file cannot be written.
    """
    if out.suffix not in FORMATS:
        raise UserError(f"{out} has an unknown format; give --out a name that ends in {', '.join(FORMATS)}")
    figure, unlabelled = make_frontier_figure(panels, metric, speed_kind, with_published)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".html":
            from evalharness.report.frontier.html import write_frontier_html

            narrow, _ = make_frontier_figure(panels, metric, speed_kind, with_published, NARROW)
            write_frontier_html(figure, narrow, panels, out, metric)
        else:
            figure.savefig(out, metadata={"CreationDate": None} if out.suffix == ".pdf" else None)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another file with --out") from None
    return unlabelled


def make_frontier_figure(
    panels: Sequence[Panel],
    metric: str = "pass@1",
    speed_kind: str = "aggregate",
    with_published: bool = False,
    layout: Layout | None = None,
) -> "tuple[Figure, UnlabelledPointCount]":
    """Returns the frontier plot with its caption, and the number of points whose labels did not fit.

    `speed_kind` is the kind of tokens/s to show (see `tokens_per_s_of`). `with_published` is whether the user requested
    published results; if they cannot be drawn, the caption says why. The default layout is the wide one.
    """
    import matplotlib

    matplotlib.rcParams.update(
        {
            "svg.fonttype": "none",
            "pdf.fonttype": 42,
            "svg.hashsalt": "evalharness",
            "font.size": 9,
            "text.parse_math": False,
        }
    )
    lines = frontier_caption_lines(panels, with_published, metric, speed_kind)
    return draw_panels_with_caption(panels, lines, metric, SPEED_LABELS[speed_kind], layout)


def draw_panels_with_caption(
    panels: Sequence[Panel], caption: Sequence[str], metric: str, speed_label: str, layout: Layout | None = None
) -> "tuple[Figure, UnlabelledPointCount]":
    """Returns a figure with all panels, legend and `caption`, and the number of points whose labels did not fit."""
    from matplotlib.figure import Figure

    layout = layout or make_wide_layout(len(panels))

    columns, width, height = layout.columns, layout.width, layout.height
    rows = -(-len(panels) // columns)
    text = "\n".join(
        fill(line, int((16 if columns * width > NARROW.width else 14.5) * width * columns)) for line in caption
    )
    caption_height = 0.17 * (text.count("\n") + 1) + 0.15
    handles = _legend_handles(panels)
    legend_rows = -(-len(handles) // min(layout.legend_columns, len(handles)))
    top = 0.7 + LEGEND_LINE * (legend_rows - 1)
    size = (width * columns, height * rows + caption_height + top - 0.1)
    figure = Figure(figsize=size, dpi=layout.dpi)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.75 / size[0], right=1 - 0.25 / size[0], top=1 - top / size[1], bottom=(caption_height + 0.75) / size[1],
        wspace=0.85 / (width - 0.85), hspace=layout.panel_distance / (height - layout.panel_distance),
    )  # fmt: skip
    unlabelled = 0
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_visible(False)
            continue
        draw_panel(axes, panels[index], index, metric, speed_label, layout)
        unlabelled += draw_point_labels(figure, axes, panels[index], layout.labels, layout.label_width)
    figure.legend(handles=handles, loc="upper center", ncols=min(layout.legend_columns, len(handles)), frameon=False,
                  fontsize=9, columnspacing=1.2, handlelength=1.2, handletextpad=0.5, labelspacing=0.2)  # fmt: skip
    missing_labels = (
        [f"{counted(unlabelled, 'label')} did not fit; the HTML version names every point."] if unlabelled else []
    )
    figure.text(
        0.2 / size[0], 0.1 / size[1], "\n".join([text, *missing_labels]), fontsize=8, va="bottom", color="#333333"
    )
    return figure, unlabelled


def _legend_handles(panels: Sequence[Panel]) -> "list[Line2D]":
    """Returns the legend's entries: each drawn model family (measured or published), and the Pareto frontier."""
    from matplotlib.lines import Line2D

    drawn = {(point.family, point.published) for panel in panels for point in panel.points}
    handles = [
        Line2D([], [], color=style.color, marker=style.marker, ls="none", markersize=7,
               markerfacecolor="white" if published else style.color,
               label=style.name + (", published" if published else ""))
        for published in (False, True)
        for family, style in STYLES.items()
        if (family, published) in drawn
    ]  # fmt: skip
    if any(len(panel.pareto) > 1 for panel in panels):
        handles.append(Line2D([], [], color=PARETO_COLOR, lw=2.2, alpha=0.55, label="Pareto frontier"))
    return handles
