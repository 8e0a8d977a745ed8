"""The parts of the page that come from the other reports: the frontier's drawing and the leaderboard's tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.report.published import PublishedPoint
from evalharness.report.run_metrics import speed_kind


@dataclass(frozen=True)
class Embedded:
    """HTML for the page, or the reason why it is missing."""

    markup: str = ""
    missing: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    """The note about each point of a drawing, by the id of its marker."""


def frontier(runs: Sequence[Run], published: Sequence[PublishedPoint] = ()) -> Embedded:
    """Returns the frontier of pass@1 and tokens/s, as an SVG element."""
    from evalharness.report.frontier.html import inline_svg, point_notes
    from evalharness.report.frontier.picture import figure_of
    from evalharness.report.frontier.points import panels

    try:
        kind = speed_kind("", bool(published))
        of_runs = panels(runs, published, kind=kind)
    except UserError as error:
        return Embedded(missing=str(error))
    figure, _ = figure_of(of_runs, kind=kind, published=bool(published))
    return Embedded(f"<div>{inline_svg(figure)}</div>", notes=point_notes(of_runs))


def leaderboard(runs: Sequence[Run], published: Sequence[PublishedPoint] = ()) -> Embedded:
    """Returns the leaderboard's tables, with their headings and footnotes."""
    from evalharness.report.leaderboard.boards import leaderboard as boards_of
    from evalharness.report.leaderboard.html import board_html
    from evalharness.report.leaderboard.text import LEGEND

    try:
        boards = boards_of(runs, published)
    except UserError as error:
        return Embedded(missing=str(error))
    return Embedded(f"<div>{''.join(map(board_html, boards))}<p>{escape(LEGEND)}</p></div>")
