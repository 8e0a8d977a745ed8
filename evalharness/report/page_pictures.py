"""What the page takes from the other reports as it is: the frontier's drawing and the leaderboard's table."""

from collections.abc import Sequence
from pathlib import Path

from evalharness.report.runs import RunRecord


def frontier(runs: Sequence[RunRecord], folder: Path) -> str:
    """Markup of the frontier."""
    return ""


def leaderboard(runs: Sequence[RunRecord]) -> str:
    """Markup of the leaderboard, a table."""
    return ""
