"""The frontier plot and the leaderboard tables as parts of the report page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.report.published import PublishedResult
from evalharness.report.run_metrics import resolve_speed_kind


@dataclass(frozen=True)
class ReportPagePart:
    """A part of the report page (frontier or leaderboard) as HTML, or the reason why it is missing."""

    markup: str = ""
    missing: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    """The note about each point of a drawing, by the id of its marker."""


def make_embedded_frontier(runs: Sequence[Run], published: Sequence[PublishedResult] = ()) -> ReportPagePart:
    """Returns the plot of pass@1 against tokens/s for the report page, as a wide SVG and a narrow one for phones."""
    from evalharness.report.frontier.html import tooltips_by_point_id, wide_and_narrow_svg_html
    from evalharness.report.frontier.layout import NARROW
    from evalharness.report.frontier.picture import make_frontier_figure
    from evalharness.report.frontier.points import make_frontier_panels

    try:
        speed_kind = resolve_speed_kind("", bool(published))
        panels = make_frontier_panels(runs, published, speed_kind=speed_kind)
    except UserError as error:
        return ReportPagePart(missing=str(error))
    figure, _ = make_frontier_figure(panels, speed_kind=speed_kind, with_published=bool(published))
    narrow, _ = make_frontier_figure(panels, speed_kind=speed_kind, with_published=bool(published), layout=NARROW)
    notes = tooltips_by_point_id(panels) | tooltips_by_point_id(panels, layout_name=NARROW.name)
    return ReportPagePart(f"<div>{wide_and_narrow_svg_html(figure, narrow)}</div>", notes=notes)


def make_embedded_leaderboard(runs: Sequence[Run], published: Sequence[PublishedResult] = ()) -> ReportPagePart:
    """Returns the leaderboard's tables for the report page, as HTML."""
    from evalharness.report.leaderboard.boards import make_leaderboard_tables as boards_of
    from evalharness.report.leaderboard.html import table_to_html
    from evalharness.report.leaderboard.text import LEGEND

    try:
        boards = boards_of(runs, published)
    except UserError as error:
        return ReportPagePart(missing=str(error))
    return ReportPagePart(f"<div>{''.join(map(table_to_html, boards))}<p>{escape(LEGEND)}</p></div>")
