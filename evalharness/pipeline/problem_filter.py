"""Selects a task's problems by --limit or by --only."""

from collections.abc import Sequence

from evalharness.errors import UserError
from evalharness.records import Problem


def select_problems(
    problems: Sequence[Problem], max_problems: int | None, only_problem_ids: Sequence[str], task_name: str
) -> dict[str, Problem]:
    """Returns the problems to run, by id: the first `max_problems`, those in `only_problem_ids`, or all.

    They keep the order of `problems`. Raises UserError for an id that the task does not have, and if both
    `max_problems` and `only_problem_ids` are given.
    """
    selected = {problem.task_id: problem for problem in problems[:max_problems]}
    if not only_problem_ids:
        return selected
    if max_problems is not None:
        raise UserError("--only and --limit both select problems; leave one of them out")
    for task_id in only_problem_ids:
        if task_id not in selected:
            raise UserError(f"--only: {task_name} has no problem {task_id!r}; give ids such as {next(iter(selected))}")
    return {task_id: problem for task_id, problem in selected.items() if task_id in only_problem_ids}
