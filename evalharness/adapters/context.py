"""The context of a task that its adapter receives: the task card (YAML file), the loaded data, the user's options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalharness.adapters.extraction.extracted import EXTRACTION_VERSION
from evalharness.data.cards import Recipe, TaskCard, TaskEntry
from evalharness.data.cards.version_schema import DataVersion
from evalharness.data.files import Record
from evalharness.data.loading import LoadedData
from evalharness.data.run_types import TaskDescription
from evalharness.errors import UserError
from evalharness.records import Limits, ProcessRules
from evalharness.sandbox.languages import language_rules, languages_by_image


@dataclass(frozen=True)
class TaskContext:
    """What the constructor of a task's adapter receives: task card (YAML file), recipe, data and task options.

    The recipe has the prompt templates, the rule that extracts programs from answers, and the sampling settings.
    """

    card: TaskCard
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
        """The name of the sandbox image that runs the task's programs; "" if the task runs no programs."""
        if self.is_sample and self.card.sample_image:
            return self.card.sample_image
        return self.entry.image or self.card.image

    @property
    def name(self) -> str:
        """The task's name in results; with the bundled sample data, it ends in "-sample"."""
        return f"{self.entry.name}-sample" if self.is_sample else self.entry.name

    @property
    def rules(self) -> dict[str, Any]:
        """The adapter's settings: `rules` of the card, overridden by `rules` of the task and of the data version."""
        return {**self.card.rules, **self.entry.rules, **self.version.rules}

    @property
    def process_rules(self) -> ProcessRules:
        """The settings, from `rules`, of the process that runs a Python program.

        They include, for example, the restrictions that the official grader imposes on programs.
        """
        return ProcessRules.from_card_rules(self.rules)

    @property
    def limits(self) -> Limits:
        """The time and memory limits of each program, from `rules`. Raises UserError for a missing or invalid limit."""
        try:
            return Limits(time_s=float(self.rules["time_s"]), memory_mb=int(self.rules["memory_mb"]))
        except (KeyError, ValueError, TypeError) as error:
            raise UserError(
                f"the task card of {self.name} needs the numbers rules.time_s (seconds) and rules.memory_mb, but one "
                f"is missing or not a number ({error}); add or correct it"
            ) from None

    def describe(self) -> TaskDescription:
        """Returns the description of the task that a run's `manifest.json` records."""
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
            description["commands"] = dict(language_rules(languages_by_image()[self.image]))
        return description
