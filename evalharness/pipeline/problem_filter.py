"""Which of a task's problems a run is of, where it is not of all."""

from collections.abc import Sequence

from evalharness.errors import UserError
from evalharness.records import Problem


def choose(problems: Sequence[Problem], limit: int | None, only: Sequence[str], task: str) -> dict[str, Problem]:
    """The first `limit` problems, or those whose ids are `only`, by id and in the task's order; else all.

    Raises UserError for an id that the task does not have, and where both are given.
    """
    found = {problem.task_id: problem for problem in problems[:limit]}
    if not only:
        return found
    if limit is not None:
        raise UserError("--only and --limit both choose problems; leave one out")
    for task_id in only:
        if task_id not in found:
            raise UserError(f"--only: {task} has no problem {task_id!r}; its ids are such as {next(iter(found))}")
    return {task_id: problem for task_id, problem in found.items() if task_id in only}
