"""Compares two runs of one task: unfair differences, pass rates, speeds, and the problems whose result changed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from evalharness.data.runs import Run
from evalharness.data.task_ids import natural_sort_key
from evalharness.errors import UserError
from evalharness.metrics.paired_tests import PairedDifference, paired_difference
from evalharness.records import Key
from evalharness.report.compare.fairness import find_unfair_differences
from evalharness.report.compare.speed_ratios import SpeedRatio, speed_ratios
from evalharness.report.naming import name_runs
from evalharness.report.task_variant import DataKind, data_kind, task_name_of, task_title


@dataclass(frozen=True)
class PassRateChange:
    """A change of a problem's pass rate: `first` and `second` are its fractions of passed samples in two runs."""

    task_id: str
    first: float
    second: float


@dataclass(frozen=True)
class Comparison:
    """The comparison of two runs of one task: pass rates with a significance test, speeds, and changes by problem."""

    title: str
    first: Run
    second: Run
    names: tuple[str, str]
    unfair: tuple[str, ...]
    """Differences in configuration that make the comparison unfair, most serious first."""
    rates: tuple[float, float]
    """pass@1 of each run on the shared problems."""
    shared: int
    """Number of problems that have a verdict in both runs."""
    unshared: tuple[int, int]
    """Numbers of problems that have a verdict in only the first, and only the second, run."""
    difference: PairedDifference
    ratios: tuple[SpeedRatio, ...]
    equal_texts: int
    """Number of samples whose answers have the same text in both runs."""
    shared_texts: int
    """Number of samples that have an answer in both runs."""
    changed: tuple[PassRateChange, ...]
    """Problems that got worse, then those that got better; in each, from the largest to the smallest loss."""

    @property
    def runs(self) -> tuple[Run, Run]:
        return self.first, self.second

    @property
    def worsened_problems(self) -> tuple[PassRateChange, ...]:
        """The problems whose pass rate is lower in the second run than in the first."""
        return tuple(problem for problem in self.changed if problem.second < problem.first)

    @property
    def improved_problems(self) -> tuple[PassRateChange, ...]:
        """The problems whose pass rate is higher in the second run than in the first."""
        return tuple(problem for problem in self.changed if problem.second > problem.first)


def compare_runs_by_task(
    first_runs: Sequence[Run], second_runs: Sequence[Run], note: Callable[[str], None] = lambda text: None
) -> list[Comparison]:
    """Compares two lists of runs, such as those of two models, task by task.

    `note` is called with a text that names the tasks that only one list has. Raises UserError if the lists share no
    task, or if a list has several runs of one task.
    """
    first_by_task, second_by_task = _runs_by_task(first_runs), _runs_by_task(second_runs)
    shared = [task for task in first_by_task if task in second_by_task]
    if not shared:
        _raise_no_common_task(first_by_task, second_by_task)
    if unshared := sorted(set(first_by_task) ^ set(second_by_task)):
        note(f"tasks not compared, because only one side has them: {', '.join(unshared)}")
    return [compare_runs(first_by_task[task], second_by_task[task]) for task in shared]


def compare_runs(first_run: Run, second_run: Run) -> Comparison:
    """Compares two runs of one task: pass rates with a paired significance test, speeds, and changes by problem.

    Raises UserError if the runs are of different tasks, if only one of them used the bundled sample data, or if they
    share no graded problem.
    """
    if task_name_of(first_run.summary) != task_name_of(second_run.summary):
        _raise_no_common_task(
            {task_name_of(first_run.summary): first_run}, {task_name_of(second_run.summary): second_run}
        )
    before, after = pass_rate_by_problem(first_run), pass_rate_by_problem(second_run)
    shared = [task_id for task_id in before if task_id in after]
    if not shared:
        raise UserError(
            f"{first_run.folder} and {second_run.folder} have no graded problem in common; compare other runs"
        )
    changed = [
        PassRateChange(task_id, before[task_id], after[task_id])
        for task_id in shared
        if before[task_id] != after[task_id]
    ]
    labels = [name.label for name in name_runs([first_run, second_run])]
    names = (labels[0], labels[1]) if labels[0] != labels[1] else (first_run.folder.name, second_run.folder.name)
    first_texts, second_texts = text_hash_by_sample(first_run), text_hash_by_sample(second_run)
    shared_keys = first_texts.keys() & second_texts.keys()
    first_values, second_values = [before[task_id] for task_id in shared], [after[task_id] for task_id in shared]
    return Comparison(
        title=task_title(first_run.summary),
        first=first_run,
        second=second_run,
        names=names,
        unfair=tuple(find_unfair_differences(first_run, second_run, names)),
        rates=(float(np.mean(first_values)), float(np.mean(second_values))),
        shared=len(shared),
        unshared=(len(before) - len(shared), len(after) - len(shared)),
        difference=paired_difference(first_values, second_values),
        ratios=tuple(speed_ratios(first_run, second_run)),
        equal_texts=sum(first_texts[key] == second_texts[key] for key in shared_keys),
        shared_texts=len(shared_keys),
        changed=tuple(
            sorted(changed, key=lambda problem: (problem.second - problem.first, natural_sort_key(problem.task_id)))
        ),
    )


def pass_rate_by_problem(run: Run) -> dict[str, float]:
    """Returns each problem's pass rate (fraction of graded samples) in a run, by problem id in sorted order."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for verdict in run.verdicts():
        if verdict.status != "infrastructure":
            outcomes[verdict.task_id].append(verdict.passed)
    return {task_id: sum(passed) / len(passed) for task_id, passed in sorted(outcomes.items())}


def text_hash_by_sample(run: Run) -> dict[Key, int]:
    """Returns the hash of each answer's text in a run, by sample; a run may have too many texts for the memory."""
    return {completion.key: hash(completion.text) for completion in run.completions()}


def _runs_by_task(runs: Sequence[Run]) -> dict[str, Run]:
    """Returns the runs by the name of their task. Raises UserError if two runs have the same task."""
    by_task: dict[str, Run] = {}
    for run in runs:
        task = task_name_of(run.summary)
        if task in by_task:
            raise UserError(
                f"the runs {by_task[task].folder} and {run.folder} are both of {task}; give only one of them"
            )
        by_task[task] = run
    return by_task


def _raise_no_common_task(first_runs_by_task: Mapping[str, Run], second_runs_by_task: Mapping[str, Run]) -> NoReturn:
    """Raises a UserError that says why two sets of runs, each a mapping by task name, have no task in common."""
    for task, run in first_runs_by_task.items():
        for other_task, other in second_runs_by_task.items():
            kinds = (data_kind(run.summary), data_kind(other.summary))
            if kinds[0] is not kinds[1] and DataKind.SAMPLE in kinds:
                raise UserError(
                    f"{run.folder} is a run of {task}, {other.folder} of {other_task}: sample data and full data "
                    "cannot be compared; repeat one run with the same --data as the other"
                )
    raise UserError(
        f"the runs are of different tasks ({', '.join(first_runs_by_task)} and {', '.join(second_runs_by_task)}); "
        "compare runs of the same task"
    )
