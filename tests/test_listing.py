"""The table of tasks says what a run without options would do."""

from pathlib import Path

import pytest

from evalharness import cards, data
from evalharness.listing import problem_count


@pytest.mark.data
@pytest.mark.parametrize("name", ["humaneval", "mbpp", "multipl-e-rs", "bigcodebench"])
def test_as_many_problems_are_listed_as_a_run_has(name: str, datasets_dir: Path) -> None:
    card, entry = cards.find_task(name)
    records = data.load_records(card, entry, None, datasets_dir).records
    assert problem_count(entry) == len(data.select_split(entry, records, None))
