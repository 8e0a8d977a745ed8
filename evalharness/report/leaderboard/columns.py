"""The leaderboard's columns: tasks and groups in the order and under the names of the Mercury paper's tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness.data.cards import ALL_TASKS, load_cards, task_groups

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
SAMPLE = "-sample"


@dataclass(frozen=True)
class Column:
    """A task, or a group's mean, with what makes its problems other ones."""

    task: str
    """Without the mark of a sample."""
    data: str = ""
    """Version, split and window; shown under its name."""
    mean: bool = False

    @property
    def title(self) -> str:
        name = TITLES.get(self.task) or _title_of_card(self.task)
        return f"{name} (mean)" if self.mean else name


def _title_of_card(task: str) -> str:
    """The title on the task's card, for MultiPL-E the language alone; the task's name where it has no card."""
    titles = {name: entry.title for card in load_cards() for name, entry in card.tasks.items()}
    return titles.get(task, task).removeprefix("MultiPL-E ")


def column_of(summary: Mapping[str, Any]) -> Column:
    """The column of a run."""
    options = {
        key: value for key, value in summary.get("options", {}).items() if key not in ("recipe", "version", "split")
    }
    parts = [summary.get("version"), summary.get("split") and f"split {summary['split']}"]
    parts += [f"{key} {value}" for key, value in options.items()]
    return Column(str(summary["task"]).removesuffix(SAMPLE), ", ".join(str(part) for part in parts if part))


def in_order(columns: Iterable[Column]) -> list[Column]:
    """The columns as the tables have them: a group's mean before its tasks; unknown tasks last, by name.

    Languages of MultiPL-E without a place of their own follow those that have one.
    """

    def place(column: Column) -> tuple[Any, ...]:
        language = column.task not in ORDER and column.task.startswith("multipl-e-")
        nearest = "multipl-e-ts" if language else column.task
        known = ORDER.index(nearest) if nearest in ORDER else len(ORDER)
        return (known, language, column.task, column.data)

    return sorted(columns, key=place)


def group_columns(columns: Sequence[Column]) -> list[tuple[Column, list[Column]]]:
    """Each group whose tasks are all among the columns once, with its members' columns."""
    by_task: dict[str, list[Column]] = {}
    for column in columns:
        by_task.setdefault(column.task, []).append(column)
    found = []
    for group, members in task_groups().items():
        held = [by_task.get(member, []) for member in members]
        if group != ALL_TASKS and all(len(each) == 1 for each in held):
            found.append((Column(group, mean=True), [each[0] for each in held]))
    return found
