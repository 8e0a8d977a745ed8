"""What an adapter knows of the task it stands for: its card, its data, and the choices made on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalharness.cards import Card, Recipe, TaskEntry, Version, find_task, load_cards
from evalharness.data import Loaded, Source, find_version, load_records, select_split
from evalharness.datafiles import Record
from evalharness.errors import UserError
from evalharness.records import Limits
from evalharness.suggest import unknown_name

OPTIONS = ("version", "recipe", "split")
"""The `--option` keys that every task knows."""


def option_names() -> frozenset[str]:
    """The `--option` keys that belong to some task."""
    return frozenset(OPTIONS).union(*(card.options for card in load_cards()))


@dataclass(frozen=True)
class TaskContext:
    """A task as it will be run."""

    card: Card
    entry: TaskEntry
    version: Version
    recipe_name: str
    recipe: Recipe
    split: str | None
    loaded: Loaded
    records: tuple[Record, ...]
    """The records of the split, in the order of their ids."""
    sample: bool
    options: Mapping[str, str] = field(default_factory=dict)
    """What was said of the card's own options."""

    @property
    def image(self) -> str:
        """The sandbox image that its programs run in; empty if none are run."""
        if self.sample and self.card.sample_image:
            return self.card.sample_image
        return self.entry.image or self.card.image

    @property
    def name(self) -> str:
        """The task's name as results carry it: that of a bundled sample says so."""
        return f"{self.entry.name}-sample" if self.sample else self.entry.name

    @property
    def rules(self) -> dict[str, Any]:
        """The card's rules, with the task's and the version's over them."""
        return {**self.card.rules, **self.entry.rules, **self.version.rules}

    @property
    def limits(self) -> Limits:
        """The limits in the card's rules."""
        return Limits(time_s=float(self.rules["time_s"]), memory_mb=int(self.rules["memory_mb"]))

    def describe(self) -> dict[str, Any]:
        """Everything about the task that can change a number, for the manifest."""
        return {
            "name": self.name,
            "family": self.card.family,
            "version": self.version.name,
            "split": self.split,
            "problems": len(self.records),
            "data": {
                "origin": self.loaded.origin,
                "fingerprint": self.loaded.fingerprint,
                "official": self.loaded.official,
            },
            "recipe": {"name": self.recipe_name, **self.recipe.model_dump(mode="json")},
            "rules": self.rules,
            "image": self.image,
            "options": dict(self.options),
            "grading": self.card.grading.model_dump(mode="json"),
            "deviations": [deviation.id for deviation in self.card.deviations],
        }


def open_context(name: str, source: Source, options: Mapping[str, str]) -> TaskContext:
    """Reads the task's data and checks the options. Raises UserError for what does not exist."""
    card, entry = find_task(name)
    for key in options:
        if key not in (*OPTIONS, *card.options):
            raise UserError(unknown_name(f"option of task {name}", key, [*OPTIONS, *card.options]))
    recipe = options.get("recipe", entry.default_recipe)
    if recipe not in card.recipes:
        raise UserError(unknown_name(f"recipe of {name}", recipe, list(card.recipes)))
    version = find_version(entry, options.get("version"))
    loaded = load_records(card, entry, options.get("version"), source)
    split = options.get("split", entry.default_split)
    return TaskContext(
        card=card,
        entry=entry,
        version=version,
        recipe_name=recipe,
        recipe=card.recipes[recipe],
        split=split,
        loaded=loaded,
        records=tuple(select_split(entry, loaded.records, split)),
        sample=source == "sample",
        options={key: value for key, value in options.items() if key in card.options},
    )
