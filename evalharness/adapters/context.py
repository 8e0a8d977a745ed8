"""What an adapter knows of the task it stands for: its card, its data, and the choices made on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalharness.data.cards import Card, Recipe, TaskEntry, Version, find_task, load_cards
from evalharness.data.files import Record
from evalharness.data.loading import Loaded, Source, find_version, load_records, select_split
from evalharness.data.time_window import Window
from evalharness.errors import UserError
from evalharness.records import Limits, ProcessRules
from evalharness.sandbox.languages import command_rules, languages
from evalharness.util.suggest import unknown_name

OPTIONS = ("version", "recipe", "split")
"""The `--option` keys that every task knows."""
WINDOW = ("start", "end")
"""The keys that a card with a `date_field` knows."""


def option_names() -> frozenset[str]:
    """The `--option` keys that belong to some task."""
    return frozenset(OPTIONS).union(*(own_options(card) for card in load_cards()))


def own_options(card: Card) -> tuple[str, ...]:
    """The keys that a family knows besides `OPTIONS`."""
    releases = any(entry.releases for entry in card.tasks.values())
    return (*card.options, *(("release",) if releases else ()), *(WINDOW if card.date_field else ()))


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
    """The records of release, split and window, in the order of their ids."""
    sample: bool
    options: Mapping[str, str] = field(default_factory=dict)
    """What was said of the card's own options, and the release, said or not."""

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
    def process_rules(self) -> ProcessRules:
        """The card's rules for the process of a Python program."""
        return ProcessRules.of(self.rules)

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
            **({"commands": command_rules(languages()[self.image])} if self.rules.get("runner") == "command" else {}),
            "options": dict(self.options),
            "grading": self.card.grading.model_dump(mode="json"),
            "deviations": [deviation.id for deviation in self.card.deviations],
        }


def open_context(name: str, source: Source, options: Mapping[str, str]) -> TaskContext:
    """Reads the task's data and checks the options. Raises UserError for what does not exist."""
    card, entry = find_task(name)
    known = (*OPTIONS, *own_options(card))
    for key in options:
        if key not in known:
            raise UserError(unknown_name(f"option of task {name}", key, list(known)))
    recipe, recipes = options.get("recipe", entry.default_recipe), card.recipes_of(entry)
    if recipe not in recipes:
        raise UserError(unknown_name(f"recipe of {name}", recipe, list(recipes)))
    split = options.get("split", entry.default_split)
    if split is not None and split not in entry.splits:
        raise UserError(unknown_name(f"split of {name}", split, list(entry.splits)))
    version = find_version(entry, options.get("version"), split, source)
    window = Window.of(options.get("start"), options.get("end"))
    release = release_of(entry, version, source, options.get("release"))
    loaded = load_records(card, entry, version.name, source, split, entry.releases[release] if release else None)
    records = select_split(entry, loaded.records, split)
    if card.date_field:
        records = window.choose(records, card.date_field, f"version {version.name} of {name}")
    own = {key: value for key, value in options.items() if key in own_options(card)}
    return TaskContext(
        card=card,
        entry=entry,
        version=version,
        recipe_name=recipe,
        recipe=recipes[recipe],
        split=split,
        loaded=loaded,
        records=tuple(records),
        sample=source == "sample",
        options={**({"release": release} if release else {}), **own},
    )


def release_of(entry: TaskEntry, version: Version, source: Source, name: str | None) -> str | None:
    """The release that is named, or the default one; None for data that have none. Raises UserError for an unknown."""
    if source == "sample" or len(version.file) == 1:
        if name is not None:
            what = f"the sample of {entry.name}" if source == "sample" else f"version {version.name} of {entry.name}"
            raise UserError(f"{what} has no releases; leave release= out")
        return None
    if name is not None and name not in entry.releases:
        raise UserError(unknown_name(f"release of {entry.name}", name, list(entry.releases)))
    return name or entry.default_release
