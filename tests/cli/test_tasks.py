"""The table of tasks says what a run without options would do."""

from pathlib import Path

import pytest

from evalharness.cli.tasks import problem_count, task_rows
from evalharness.data import cards
from evalharness.data.loading import load_records
from evalharness.data.splits import select_split


@pytest.mark.data
@pytest.mark.parametrize("name", ["humaneval", "mbpp", "multipl-e-rs", "bigcodebench"])
def test_as_many_problems_are_listed_as_a_run_has(name: str, datasets_dir: Path) -> None:
    card, entry = cards.find_task(name)
    records = load_records(card, entry, None, datasets_dir).records
    assert problem_count(entry) == len(select_split(entry, records, None))


def test_the_group_of_every_task_does_not_repeat_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalharness.cli.tasks.image_states", dict)
    rows = {row[0]: row for row in task_rows()}
    assert rows["all"][2] == "every task"
    assert rows["evalplus"][2] == "group of humaneval-plus, mbpp-plus"
