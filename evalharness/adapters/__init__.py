"""Benchmarks, one file per family: prompts, programs and judgement. Found by name through entry points."""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import cast

from evalharness.adapters.context import TaskContext, open_context, option_names
from evalharness.data.loading import Source
from evalharness.errors import UserError
from evalharness.records import Task
from evalharness.util.suggest import unknown_name

GROUP = "evalharness.adapters"

__all__ = ["TaskContext", "open_task", "option_names"]


def open_task(name: str, source: Source, options: Mapping[str, str]) -> tuple[Task, TaskContext]:
    """The task of that name with its data read. Raises UserError for an unknown name or option, or missing data."""
    context = open_context(name, source, options)
    points = {point.name: point for point in entry_points(group=GROUP)}
    if context.card.adapter not in points:
        raise UserError(unknown_name(f"adapter of {name}", context.card.adapter, sorted(points)))
    adapter = cast(Callable[[TaskContext], Task], points[context.card.adapter].load())
    return adapter(context), context
