"""The context of a task that its adapter receives: the task card (YAML file), the loaded data, the user's options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalharness.adapters.extraction.extracted import EXTRACTION_VERSION
from evalharness.data.cards import Card, Recipe, TaskEntry
from evalharness.data.cards.version_schema import DataVersion
from evalharness.data.files import Record
from evalharness.data.loading import LoadedData
from evalharness.data.run_types import TaskDescription
from evalharness.errors import UserError
from evalharness.records import Limits, ProcessRules
from evalharness.sandbox.languages import command_rules, languages


@dataclass(frozen=True)
class TaskContext:
    """The input of an adapter: task card, recipe (prompt templates, sampling), data, selected records, task options."""

    card: Card
    entry: TaskEntry
    version: DataVersion
    recipe_name: str
    recipe: Recipe
    split: str | None
    data: LoadedData
    """All records of the selected version of the benchmark's data, with their origin and digest."""
    records: tuple[Record, ...]
    """The records of the selected release, split and time window, in the order of their ids."""
    is_sample: bool
    """Whether the data are the bundled sample."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The task family's `--option`s that the user gave. `release` is always included if the data have releases."""

    @property
    def image(self) -> str:
        """The name of the sandbox image that the task's programs run in; "" if the task runs none."""
        if self.is_sample and self.card.sample_image:
            return self.card.sample_image
        return self.entry.image or self.card.image

    @property
    def name(self) -> str:
        """The task's name in results; that of a bundled sample ends in "-sample"."""
        return f"{self.entry.name}-sample" if self.is_sample else self.entry.name

    @property
    def rules(self) -> dict[str, Any]:
        """The card's `rules` (settings of the adapter), overridden by those of the task and of the data version."""
        return {**self.card.rules, **self.entry.rules, **self.version.rules}

    @property
    def process_rules(self) -> ProcessRules:
        """The card's settings for the process of a Python program, such as the official grader's restrictions."""
        return ProcessRules.from_card_rules(self.rules)

    @property
    def limits(self) -> Limits:
        """The time and memory limits of programs, from the card's rules. Raises UserError for missing or wrong ones."""
        try:
            return Limits(time_s=float(self.rules["time_s"]), memory_mb=int(self.rules["memory_mb"]))
        except (KeyError, ValueError, TypeError) as error:
            raise UserError(
                f"the task card of {self.name} needs the numbers rules.time_s (seconds) and rules.memory_mb, but one "
                f"is missing or not a number ({error}); add or correct it"
            ) from None

    def describe(self) -> TaskDescription:
        """Returns the description of the task for a run's manifest."""
        description: TaskDescription = {
            "name": self.name,
            "family": self.card.family,
            "version": self.version.name,
            "split": self.split,
            "problems": len(self.records),
            "data": {
                "origin": self.data.origin,
                "fingerprint": self.data.fingerprint,
                "official": self.data.is_official,
            },
            "recipe": {"name": self.recipe_name, **self.recipe.model_dump(mode="json")},
            "extraction_version": EXTRACTION_VERSION,
            "rules": self.rules,
            "image": self.image,
            "options": dict(self.options),
            "grading": self.card.grading.model_dump(mode="json") if self.card.grading else {},
            "deviations": [deviation.id for deviation in self.card.deviations],
        }
        if self.rules.get("runner") == "command":
            description["commands"] = dict(command_rules(languages()[self.image]))
        return description
