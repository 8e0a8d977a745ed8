#!/usr/bin/env python
"""Writes the tables of options, recipes and card keys into docs/ from their typed definitions; --check only compares.

A page has a table between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from evalharness.adapters.extraction.programs import EXTRACTION_RULES
from evalharness.backends import find_backend
from evalharness.backends.factory import find_option_schema
from evalharness.backends.options import describe_options
from evalharness.data.cards.files import read_cards
from evalharness.data.cards.recipe_schema import Recipe
from evalharness.data.cards.schema import CardOption, GraderDeviation, OfficialGrader, TaskCard, TaskEntry
from evalharness.data.cards.short_card import ShortRecipe, ShortTaskCard
from evalharness.data.cards.task_options import describe_task_options
from evalharness.data.cards.version_schema import DataVersion, HubSource
from evalharness.records.options import OptionDescription
from evalharness.sandbox.factory import DESCRIBED_OPTIONS
from evalharness.util.paths import bundled_folder

ROOT = Path(__file__).resolve().parents[1]
TABLE = re.compile(r"(<!-- table: ([\w -]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
BACKENDS = ("ar", "diffusion", "openai", "replay", "transformers")
PARTS: Mapping[str, type[BaseModel]] = {
    "short card": ShortTaskCard, "short recipe": ShortRecipe, "card": TaskCard, "recipe": Recipe, "task": TaskEntry,
    "version": DataVersion, "grading": OfficialGrader, "deviation": GraderDeviation, "option": CardOption,
    "hub": HubSource,
}  # fmt: skip


def main() -> int:
    """Rewrites every page whose tables are out of date; returns 1 where there is one and --check is given."""
    outdated = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text()
        new = TABLE.sub(lambda match: f"{match[1]}{table(match[2])}\n{match[3]}", text)
        if new != text:
            outdated.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv:
                page.write_text(new)
    for name in outdated:
        print(f"{name}: {'out of date; run scripts/option_tables.py' if '--check' in sys.argv else 'written'}")
    return int(bool(outdated) and "--check" in sys.argv)


def table(name: str) -> str:
    """Returns the Markdown of the table of that name."""
    kind, _, rest = name.partition(" ")
    tables: Mapping[str, Callable[[], str]] = {
        "recipes": recipe_table,
        "sandbox": lambda: option_table(DESCRIBED_OPTIONS),
        "tasks": task_option_table,
        "extractions": lambda: ", ".join(f"`{extraction}`" for extraction in EXTRACTION_RULES),
    }
    if kind == "backend" and rest in BACKENDS:
        schema = find_option_schema(find_backend(rest))
        return option_table(describe_options(schema) if schema else [])
    if kind == "keys":
        return key_table(PARTS[rest])
    return tables[name]()


def option_table(options: Iterable[OptionDescription]) -> str:
    """Returns a row for each option."""
    rows = [(f"`{option.name}`", option.values, f"`{option.default}`" if option.default else "", option.help)
            for option in options]  # fmt: skip
    return markdown(("option", "values", "default", "meaning"), rows)


def task_option_table() -> str:
    """Returns a row for each option of each family, without the names of versions, recipes, splits and releases."""
    rows: dict[str, OptionDescription] = {}
    for card in read_cards(bundled_folder("tasks")):
        for entry in card.tasks.values():
            for option in describe_task_options(card, entry):
                by_name = option.name in ("version", "recipe", "split", "release")
                shown = OptionDescription(option.name, "a name", "", option.help) if by_name else option
                rows.setdefault(option.name, shown)
    return option_table(rows.values())


def recipe_table() -> str:
    """Returns a row for each recipe of the bundled tasks."""
    rows = [
        (card.family, f"`{name}`", recipe.kind, str(recipe.n), f"{recipe.temperature:g}", str(recipe.max_new_tokens))
        for card in read_cards(bundled_folder("tasks"))
        for name, recipe in card.recipes.items()
    ]
    return markdown(("family", "recipe", "kind", "samples", "temperature", "token limit"), rows)


def key_table(model: type[BaseModel]) -> str:
    """Returns a row for each key of a part of a card that has a description."""
    rows = [
        (f"`{name}`", "yes" if field.is_required() else "", (field.description or "").rstrip("."))
        for name, field in model.model_fields.items()
        if field.description
    ]
    return markdown(("key", "required", "meaning"), rows)


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
