"""The leaderboard's columns: tasks and groups, in the order and under the names of the Mercury paper's tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evalharness.data.cards import ALL_TASKS, load_cards, task_groups
from evalharness.data.run_types import Summary
from evalharness.report.task_variant import remove_sample_suffix, task_name_of, task_option_texts

TITLES = {
    "humaneval": "HumanEval", "mbpp": "MBPP",
    "evalplus": "EvalPlus", "humaneval-plus": "HumanEval+", "mbpp-plus": "MBPP+",
    "multipl-e": "MultiPL-E", "multipl-e-cpp": "C++", "multipl-e-java": "Java", "multipl-e-js": "JavaScript",
    "multipl-e-php": "PHP", "multipl-e-sh": "Bash", "multipl-e-ts": "TypeScript",
    "livecodebench": "LiveCodeBench", "bigcodebench": "BigCodeBench", "bigcodebench-hard": "BigCodeBench-Hard",
    "fim": "FIM", "fim-single-line": "FIM single-line", "fim-multi-line": "FIM multi-line",
    "fim-random-span": "FIM random-span", "fim-random-span-light": "FIM random-span light",
    "santacoder-fim": "SantaCoder-FIM", "santacoder-fim-py": "SantaCoder-FIM Python",
    "santacoder-fim-js": "SantaCoder-FIM JavaScript", "santacoder-fim-java": "SantaCoder-FIM Java",
}  # fmt: skip
ORDER = list(TITLES)
LAST_LANGUAGE = "multipl-e-ts"
"""Languages of MultiPL-E that are not in `ORDER` follow this one."""


@dataclass(frozen=True)
class Column:
    """A column of the leaderboard: a task on a version of its data, or the mean over a group of tasks."""

    task: str
    """The task's or group's name, without the mark of a sample."""
    data: str = ""
    """Version, split and other options of the data, shown below the title."""
    mean: bool = False

    @property
    def name(self) -> str:
        """The column's name in CSV and JSON, such as "multipl-e (mean)"."""
        return f"{self.task} (mean)" if self.mean else self.task

    @property
    def title(self) -> str:
        """The column's heading in a table, such as "HumanEval+"."""
        title = TITLES.get(self.task) or _title_from_task_card(self.task)
        return f"{title} (mean)" if self.mean else title


def _title_from_task_card(task_name: str) -> str:
    """Returns the title in a task's card (YAML file), or the task's name if it has no card.

    The title of a MultiPL-E task is shortened to its language.
    """
    titles = {name: entry.title for card in load_cards() for name, entry in card.tasks.items()}
    return titles.get(task_name, task_name).removeprefix("MultiPL-E ")


def make_column_of_run(summary: Summary) -> Column:
    """Returns the leaderboard column to which a run belongs, given the run's summary."""
    return Column(remove_sample_suffix(task_name_of(summary)), ", ".join(task_option_texts(summary)))


def sort_columns(columns: Iterable[Column]) -> list[Column]:
    """Returns columns in display order: the mean of a task group before its tasks; unknown tasks last, by name."""

    def sort_key(column: Column) -> tuple[int, bool, str, str]:
        other_language = column.task not in ORDER and column.task.startswith("multipl-e-")
        task = LAST_LANGUAGE if other_language else column.task
        return (ORDER.index(task) if task in ORDER else len(ORDER), other_language, column.task, column.data)

    return sorted(columns, key=sort_key)


class TaskGroupColumns(NamedTuple):
    """The leaderboard columns of a task group: the column of its mean rate, and the columns of its tasks."""

    mean: Column
    tasks: list[Column]


def find_task_group_columns(columns: Sequence[Column]) -> list[TaskGroupColumns]:
    """Returns the columns of each task group; groups with a task that has no column, or several, are omitted."""
    by_task: dict[str, list[Column]] = {}
    for column in columns:
        by_task.setdefault(column.task, []).append(column)
    complete: list[TaskGroupColumns] = []
    for group, tasks in task_groups().items():
        members = [by_task.get(task, []) for task in tasks]
        if group != ALL_TASKS and all(len(of_task) == 1 for of_task in members):
            complete.append(TaskGroupColumns(Column(group, mean=True), [of_task[0] for of_task in members]))
    return complete
