"""Selects a task's problems by --limit or by --only."""

from collections.abc import Sequence

from evalharness.errors import UserError
from evalharness.records import Problem


def select_problems(
    problems: Sequence[Problem], limit: int | None, only: Sequence[str], task: str
) -> dict[str, Problem]:
    """Returns, by id, the first `limit` problems, or those whose ids are in `only`, or all; in the task's order.

    Raises UserError for an id that the task does not have, and where both `limit` and `only` are given.
    """
    selected = {problem.task_id: problem for problem in problems[:limit]}
    if not only:
        return selected
    if limit is not None:
        raise UserError("--only and --limit both select problems; leave one of them out")
    for task_id in only:
        if task_id not in selected:
            raise UserError(f"--only: {task} has no problem {task_id!r}; give ids such as {next(iter(selected))}")
    return {task_id: problem for task_id, problem in selected.items() if task_id in only}
