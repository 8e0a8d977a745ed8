"""The texts of the frontier plot: the caption below it, and the list of the runs on the Pareto frontier."""

from collections.abc import Sequence

from evalharness.report.frontier.points import Panel
from evalharness.report.published import SINGLE_SOURCE_MARK
from evalharness.report.task_variant import DataKind


def pareto_frontier_lines(panel: Panel) -> list[str]:
    """Returns text lines that list the Pareto-optimal runs of one task: tokens/s, pass rate and name."""
    if not panel.pareto:
        return [f"{panel.title}: no Pareto frontier, because no run covers the whole task"]
    rows = [f"  {point.speed:10.1f} tokens/s  {100 * point.rate:5.1f} %  {point.label}" for point in panel.pareto]
    return [f"Pareto frontier of {panel.title}, slowest first:", *rows]


def frontier_caption_lines(
    panels: Sequence[Panel], with_published: bool, metric: str = "pass@1", speed_kind: str = "aggregate"
) -> list[str]:
    """Returns the lines of the caption below the frontier plot: what its marks mean, and sources of published results.

    `with_published` is whether the user requested published results; if they cannot be drawn, the caption says why.
    `speed_kind` is the kind of tokens/s that the plot shows (see `tokens_per_s_of`).
    """
    steps = " Steps: the Pareto frontier." if any(len(panel.pareto) > 1 for panel in panels) else ""
    lines = [f"Bars: 95 % confidence intervals. Lines connect runs of one model that differ in swept settings.{steps}"]
    if any(not point.complete for panel in panels for point in panel.points):
        lines.append("*: an incomplete run, which does not cover its task.")
    drawn = {point.label: point for panel in panels for point in panel.points if point.published}
    if with_published:
        lines += _explain_missing_published_results(panels, bool(drawn), metric)
    if drawn:
        origins = dict.fromkeys(point.origin.replace(" ()", "") for point in drawn.values())
        lines.append("Hollow markers: published results, not measured here; each set has its own conditions:")
        if speed_kind != "request":
            lines.append("Published speeds are of one request, those measured here of all requests together.")
        lines += origins
        if any(SINGLE_SOURCE_MARK in name for name in drawn):
            lines.append(f"{SINGLE_SOURCE_MARK}: known from one secondary source alone.")
    return lines


def _explain_missing_published_results(panels: Sequence[Panel], any_drawn: bool, metric: str) -> list[str]:
    """Returns lines that say why published results that the user requested are not drawn in the frontier plot.

    `any_drawn` is whether the plot has at least one published result.
    """
    if metric != "pass@1":
        return [f"Published results are of pass@1 and are not drawn beside {metric}."]
    lines = []
    if any(panel.data_kind is not DataKind.FULL for panel in panels):
        lines.append("Published results are of whole benchmarks and are not drawn beside samples or unofficial data.")
    if not any_drawn and any(panel.data_kind is DataKind.FULL for panel in panels):
        lines.append("No published result has both a rate on these tasks and a speed.")
    return lines
