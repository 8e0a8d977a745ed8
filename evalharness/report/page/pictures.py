"""What the page takes from the other reports as it is: the frontier's drawing and the leaderboard's tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from evalharness.errors import UserError
from evalharness.report.published import PublishedPoint
from evalharness.report.runs import RunRecord


@dataclass(frozen=True)
class Picture:
    """Markup to stand in the page; where there is none, why."""

    markup: str = ""
    missing: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    """What is said of each mark in a drawing, by its id."""


def frontier(runs: Sequence[RunRecord], published: Sequence[PublishedPoint] = ()) -> Picture:
    """The frontier of pass@1 against tokens/s, as an SVG element."""
    from evalharness.report.frontier.html import inline, notes
    from evalharness.report.frontier.picture import figure_of
    from evalharness.report.frontier.points import panels

    try:
        every = panels(runs, published)
    except UserError as error:
        return Picture(missing=str(error))
    figure, _ = figure_of(every, published=bool(published))
    return Picture(f"<div>{inline(figure)}</div>", notes=notes(every))


def leaderboard(runs: Sequence[RunRecord], published: Sequence[PublishedPoint] = ()) -> Picture:
    """The leaderboard's tables, with their headings and notes."""
    from evalharness.report.leaderboard.boards import leaderboard as boards
    from evalharness.report.leaderboard.html import table
    from evalharness.report.leaderboard.text import LEGEND

    try:
        found = boards(runs, published)
    except UserError as error:
        return Picture(missing=str(error))
    return Picture(f"<div>{''.join(map(table, found))}<p>{escape(LEGEND)}</p></div>")
