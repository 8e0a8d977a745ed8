"""Plot of people's preference against the models' speeds: the speed-quality frontier with votes as quality."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evalharness.arena.measurements import ModelMeasurements, TaskMeasurements
from evalharness.arena.report.tables import expected_win_share, mean_speed
from evalharness.arena.report.text import replace_unprintable
from evalharness.arena.statistics.summary import VoteSummary
from evalharness.metrics.intervals import Interval
from evalharness.report.frontier.layout import Layout
from evalharness.report.frontier.points import Panel, Point, find_pareto_frontier

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "votes won against a model of mean strength"


def make_preference_panel(summary: VoteSummary, measurements: Mapping[str, ModelMeasurements]) -> Panel | None:
    """Returns the points of the plot of preference (share of votes won) against speed (tokens/s), one per model.

    Returns None if the speeds of fewer than two models are known.
    """
    points = []
    for row in summary.models:
        model_measurements = measurements.get(row.model)
        speed = mean_speed(model_measurements)
        if model_measurements is None or speed is None:
            continue
        low, high = row.strength[1]
        tasks = list(model_measurements["tasks"].values())
        points.append(
            Point(
                label=replace_unprintable(row.model),
                family=model_measurements["family"],
                curve=(row.model,),
                rate=expected_win_share(row.strength[0]),
                rate_ci95=(expected_win_share(low), expected_win_share(high)),
                speed=speed,
                speed_ci95=_speed_interval_if_single_task(tasks),
                hardware=" / ".join(dict.fromkeys(task["hardware"] for task in tasks)),
                detail="\n".join(task["folder"] for task in tasks),
            )
        )
    if len(points) < 2:
        return None
    return Panel(
        "Preference and speed", tuple(sorted(points, key=lambda point: point.speed)), find_pareto_frontier(points)
    )


def _speed_interval_if_single_task(task_measurements: Sequence[TaskMeasurements]) -> Interval | None:
    """Returns the 95 % confidence interval of the speed (tokens/s) of a model that ran exactly one task.

    `task_measurements` has one entry per task. Returns None for several tasks, or if the interval is unknown.
    """
    ends = task_measurements[0].get("tokens_per_s_ci95") if len(task_measurements) == 1 else None
    return (ends[0], ends[1]) if ends else None


def draw_preference_figure(panel: Panel, layout: Layout | None = None) -> "Figure":
    """Returns the plot of preference against speed as a matplotlib figure; `layout` None: the default sizes."""
    from evalharness.report.frontier.picture import make_frontier_figure

    return make_frontier_figure([panel], METRIC, layout=layout)[0]
