"""Selects the data records of a task's split, such as train or test."""

from collections.abc import Sequence

from evalharness.data.cards.schema import TaskEntry
from evalharness.data.files import Record
from evalharness.data.task_ids import problem_number
from evalharness.errors import UserError
from evalharness.util.suggest import unknown_name_message


def select_records_of_split(entry: TaskEntry, records: Sequence[Record], split_name: str | None) -> list[Record]:
    """Returns the data records in one split of a task, such as "test". Raises UserError for an unknown split.

    A `split_name` of None selects the task's default split, or all records if the task has no splits.
    """
    split_name = split_name or entry.default_split
    if split_name is None:
        return list(records)
    if split_name not in entry.splits:
        raise UserError(unknown_name_message(f"split of {entry.name}", split_name, list(entry.splits)))
    split = entry.splits[split_name]
    if isinstance(split, str):
        return [record for record in records if str(record["task_id"]).startswith(split)]
    first, last = split
    return [record for record in records if first <= problem_number(record["task_id"]) <= last]
