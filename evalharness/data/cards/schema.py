"""The schema of a task card: the YAML file that describes a task family except for its code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from evalharness.data.cards.recipe_schema import Recipe
from evalharness.data.cards.version_schema import DataVersion, StrictModel


def _copy_keys_to_name_fields(entries: Any) -> Any:
    """Returns a mapping in a task card, such as `tasks`, with each key copied into its entry as the field `name`.

    A value that is not a mapping is returned unchanged; pydantic reports it.
    """
    if not isinstance(entries, dict):
        return entries
    return {key: {**entry, "name": key} if isinstance(entry, dict) else entry for key, entry in entries.items()}


class OfficialGrader(StrictModel):
    """The official grader of a benchmark (repository, commit, function), with which verdicts must agree."""

    repository: str = Field(description="Such as openai/human-eval")
    commit: str = Field(description="The commit that the verdicts agree with")
    function: str = Field(description="File and function of the grader")
    notes: str = Field("", description="What the function does")


class CardOption(StrictModel):
    """An `--option` that only the tasks of one card have; their adapter interprets its value."""

    values: tuple[str, ...] = Field((), description="The allowed values; empty if the adapter checks them")
    default: str = Field("", description="The value without the option")
    help: str = Field("", description="What the option does")


def _option_names_to_entries(option_names: Any) -> Any:
    """Returns a list of option names as a mapping from each name to {}, an option without further settings.

    A value that is not a list is returned unchanged.
    """
    return {name: {} for name in option_names} if isinstance(option_names, list | tuple) else option_names


class GraderDeviation(StrictModel):
    """A known deviation from the official grader: where verdicts may differ from that grader's verdicts, and why."""

    id: str = Field(description="A name")
    what: str = Field(description="What is different")
    why: str = Field(description="The reason")
    tasks: tuple[str, ...] = Field((), description="Ids of the problems that can differ; empty if any can")
    effect: str = Field(description="The measured effect on verdicts")


class TaskEntry(StrictModel):
    """The entry of one task in a task card: its data versions, splits, releases and default recipe."""

    name: str
    title: str = Field(description="The task's name in tables; by default its key")
    default_recipe: str = Field(description="By default the first one")
    default_version: str = Field(description="By default the first one")
    recipes: tuple[str, ...] = Field((), description="The card's recipes that fit the task; empty for all")
    where: Mapping[str, str] = Field(
        {}, description="Selects the records of the task in data of several tasks: those with these values"
    )
    versions: Annotated[Mapping[str, DataVersion], BeforeValidator(_copy_keys_to_name_fields)] = Field(
        min_length=1, description="Versions of the data by name; see below"
    )
    splits: Mapping[str, tuple[int, int] | str] = Field(
        {}, description="By name: first and last problem number, or a prefix of the problems' ids"
    )
    default_split: str | None = Field(None, description="Required if the task has splits")
    releases: Mapping[str, tuple[int, int]] = Field(
        {}, description="By name: the first and the last file, counted from 1, of versions with several files"
    )
    default_release: str | None = Field(None, description="Required if the task has releases")
    image: str = Field("", description="Overrides the card's image")
    rules: Mapping[str, Any] = Field({}, description="Rules that override those of the card")
    values: Mapping[str, str] = Field({}, description="Values for {name} in templates of prompts and file names")

    @model_validator(mode="before")
    @classmethod
    def _fill_default_title_and_version(cls, entry: Any) -> Any:
        if not isinstance(entry, Mapping):
            return entry
        defaults = {"title": entry.get("name")}
        if isinstance(versions := entry.get("versions"), Mapping) and versions:
            defaults["default_version"] = next(iter(versions))
        return {**defaults, **entry}

    @model_validator(mode="after")
    def _check_referenced_names_are_defined(self) -> Self:
        check_name_is_defined("default_version", self.default_version, self.versions)
        if self.default_split is not None or self.splits:
            check_name_is_defined("default_split", self.default_split, self.splits)
        for version in self.versions.values():
            for by_split in (version.problems, version.fingerprint):
                if isinstance(by_split, Mapping) and set(by_split) != set(self.splits):
                    raise ValueError(
                        f"the keys 'problems' and 'fingerprint' of version {version.name} need a value for each split: "
                        f"{', '.join(self.splits)}"
                    )
        if self.default_release is not None or self.releases:
            check_name_is_defined("default_release", self.default_release, self.releases)
        return self


class TaskCard(StrictModel):
    """A task card: the YAML description of a family of tasks, with adapter, recipes, image and official grader."""

    adapter: str = Field(description="A name in the entry-point group `evalharness.adapters`")
    family: str = Field("", description="The family's name in the manifest")
    description: str = Field("", description="One sentence")
    image: str = Field("", description="A folder of sandboxes/, whose image runs the programs; empty if none runs")
    sample_image: str = Field("", description="A smaller image that suffices for the bundled sample")
    licence: str = Field("", description="The licence of the data")
    id_field: str | None = Field("task_id", description="The record field with the problem's id; null numbers them")
    date_field: str | None = Field(
        None, description="The record field with the problem's date (ISO 8601), for the options start= and end="
    )
    options: Annotated[Mapping[str, CardOption], BeforeValidator(_option_names_to_entries)] = Field(
        {}, description="Further task options by name, each with values, default and help; the adapter interprets them"
    )
    grading: OfficialGrader | None = Field(None, description="The official grader, if there is one")
    recipes: Mapping[str, Recipe] = Field(description="Recipes by name; see below")
    deviations: tuple[GraderDeviation, ...] = Field((), description="Known differences from the official grader")
    rules: Mapping[str, Any] = Field(
        {}, description="Settings of the adapter; time_s (seconds) and memory_mb limit each program"
    )
    tasks: Annotated[Mapping[str, TaskEntry], BeforeValidator(_copy_keys_to_name_fields)] = Field(
        min_length=1, description="Tasks by name; see below"
    )
    groups: Mapping[str, tuple[str, ...]] = Field({}, description="Names that stand for several tasks")
    shared: Any = Field(
        None, exclude=True, repr=False, description="YAML anchors that other parts of the file refer to"
    )
    folder: Path = Field(exclude=True, repr=False)
    """The folder of the card's file; no key of the card."""

    @model_validator(mode="before")
    @classmethod
    def _fill_default_recipes(cls, card: Any) -> Any:
        """Returns the card with the first recipe as the `default_recipe` of each task that does not have this key."""
        if not isinstance(card, Mapping) or not isinstance(tasks := card.get("tasks"), Mapping):
            return card
        filled = {
            name: {"default_recipe": first, **entry}
            if isinstance(entry, Mapping) and (first := _first_recipe_name(card, entry)) is not None
            else entry
            for name, entry in tasks.items()
        }
        return {**card, "tasks": filled}

    @model_validator(mode="after")
    def _check_referenced_names_are_defined(self) -> Self:
        for group, members in self.groups.items():
            for member in members:
                check_name_is_defined(f"groups.{group}", member, self.tasks)
        for name, entry in self.tasks.items():
            for recipe in entry.recipes:
                check_name_is_defined(f"tasks.{name}.recipes", recipe, self.recipes)
            if self.recipes:
                check_name_is_defined(f"tasks.{name}.default_recipe", entry.default_recipe, self.recipes_of(entry))
        return self

    def recipes_of(self, entry: TaskEntry) -> Mapping[str, Recipe]:
        """Returns the card's recipes that the task of this entry can use, by name."""
        return {name: recipe for name, recipe in self.recipes.items() if not entry.recipes or name in entry.recipes}


def _first_recipe_name(card: Mapping[str, Any], entry: Mapping[str, Any]) -> Any:
    """Returns the name of the first recipe that a task of the card can use; None if the card is malformed."""
    names = entry.get("recipes") or card.get("recipes")
    return next(iter(names)) if isinstance(names, Mapping | list) and names else None


def check_name_is_defined(field_name: str, name: str | None, defined_names: Mapping[str, Any]) -> None:
    """Raises ValueError if `name`, the value of the card's field `field_name`, is not one of `defined_names`."""
    if name not in defined_names:
        raise ValueError(
            f"the key {field_name} is {name!r}, a name that the card does not define; use one of its names: "
            f"{', '.join(defined_names) or 'none'}"
        )
