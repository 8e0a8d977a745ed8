"""The table of `evalharness tasks` describes a run without options."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalharness.backends import find_backend
from evalharness.backends.options import describe_options
from evalharness.cli.listing.tasks import count_problems_of_task
from evalharness.data import cards
from evalharness.data.cards.task_options import describe_task_options
from evalharness.data.loading import load_records
from evalharness.data.splits import select_records_of_split


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "version"),
    [("humaneval", None), ("mbpp", None), ("multipl-e-rs", None), ("bigcodebench", "v0.1.0_hf")],
)
def test_the_listed_number_of_problems_is_that_of_a_run(name: str, version: str | None, datasets_dir: Path) -> None:
    card, entry = cards.find_task(name)
    records = load_records(card, entry, version, datasets_dir).records
    assert count_problems_of_task(entry) == len(select_records_of_split(entry, records, None))


NAME = re.compile(r"[\w.+-]+")


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_name_is_broken_however_narrow_the_terminal_is(
    columns: int, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [(entry, entry.image or card.image) for card in cards.load_cards() for entry in card.tasks.values()]
    states = dict.fromkeys((image for _, image in entries), "built on first use")
    monkeypatch.setattr("evalharness.cli.listing.tasks.sandbox_image_states", lambda: states)
    monkeypatch.setenv("COLUMNS", str(columns))
    words = set(NAME.findall(cli("tasks").stdout))
    for card in cards.load_cards():
        for entry in card.tasks.values():
            assert {entry.name, entry.default_recipe} <= words
    last_cells = " ".join(line.rpartition("│")[2] for line in cli("tasks").stdout.splitlines() if "│" in line)
    assert " ".join(last_cells.split()).count("built on first use") == sum(bool(image) for _, image in entries)
    words = set(NAME.findall(cli("tasks", "fim-single-line").stdout))
    card, entry = cards.find_task("fim-single-line")
    assert {*card.recipes_of(entry), *entry.versions} <= words
    if columns >= 80:
        lines = cli("tasks").stdout.splitlines() + cli("tasks", "all").stdout.splitlines()
        assert max(map(len, lines)) <= columns


def test_every_recipe_and_option_of_a_task_is_described(cli: Callable[..., Any]) -> None:
    for name in ("livecodebench", "bigcodebench", "mbpp"):
        text = cli("tasks", name).stdout
        card, entry = cards.find_task(name)
        for recipe_name, recipe in card.recipes_of(entry).items():
            row = next(line for line in text.splitlines() if line.startswith(recipe_name + " "))
            cells = [cell.strip() for cell in row.split("│")]
            assert cells == [recipe_name, recipe.kind, str(recipe.n), f"{recipe.temperature:g}",
                             str(recipe.max_new_tokens)]  # fmt: skip
        for option in describe_task_options(card, entry):
            assert re.search(rf"(?m)^{option.name} +│.*│.*│ \S", text), option.name


def test_a_group_describes_each_task(cli: Callable[..., Any]) -> None:
    text = cli("tasks", "evalplus").stdout
    assert "humaneval-plus: " in text
    assert "mbpp-plus: " in text


@pytest.mark.parametrize("name", ["ar", "diffusion", "openai", "replay", "transformers"])
def test_every_option_of_a_backend_is_described(name: str, cli: Callable[..., Any]) -> None:
    text = cli("backends", name).stdout
    options = describe_options(find_backend(name).Options)  # type: ignore[attr-defined]
    assert options
    for option in options:
        assert option.help
        row = next(line for line in text.splitlines() if line.startswith(option.name + " "))
        assert row.split("│")[2].strip() == (option.default or "-")


def test_unknown_names_are_refused(cli: Callable[..., Any]) -> None:
    for arguments, words in [(("tasks", "mbp"), "did you mean mbpp"), (("backends", "opnai"), "did you mean openai")]:
        done = cli(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
