"""The table of `evalharness tasks` describes a run without options."""

from pathlib import Path

import pytest

from evalharness.cli.tasks import problem_count, task_rows
from evalharness.data import cards
from evalharness.data.loading import load_records
from evalharness.data.splits import select_split


@pytest.mark.data
@pytest.mark.parametrize("name", ["humaneval", "mbpp", "multipl-e-rs", "bigcodebench"])
def test_the_listed_number_of_problems_is_that_of_a_run(name: str, datasets_dir: Path) -> None:
    card, entry = cards.find_task(name)
    records = load_records(card, entry, None, datasets_dir).records
    assert problem_count(entry) == len(select_split(entry, records, None))


def test_the_group_all_does_not_list_every_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalharness.cli.tasks.image_states", dict)
    rows = {row[0]: row for row in task_rows()}
    assert rows["all"][2] == "every task"
    assert rows["evalplus"][2] == "group of humaneval-plus, mbpp-plus"
