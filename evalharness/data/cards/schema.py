"""The schema of a task card: the YAML file that describes a task family except for its code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from evalharness.data.cards.version_schema import StrictModel, Version
from evalharness.records import MiddleLength


def _add_names(value: Any) -> Any:
    """Adds to each entry of a mapping its key as `name`. Pydantic rejects what is not a mapping of mappings."""
    if not isinstance(value, dict):
        return value
    return {key: {**entry, "name": key} if isinstance(entry, dict) else entry for key, entry in value.items()}


class Grading(StrictModel):
    """The official grader that verdicts must agree with."""

    repository: str
    commit: str
    function: str
    notes: str = ""


class Recipe(StrictModel):
    """A named way to make a prompt of a problem and a program of a completion."""

    kind: Literal["completion", "chat", "infill"]
    description: str
    fields: Mapping[str, Any] = {}
    """Templates by name; see `adapters.prompts.build_prompt`."""
    stops: tuple[str, ...] = ()
    """Stop sequences."""
    middle: MiddleLength | None = None
    """Kind infill only: how the length of the middle is determined."""
    extraction: str
    """A rule of `adapters.extraction`: the official one where there is one, else one of the project's own."""
    robust_extraction: str = ""
    """The project's own rule that `--option extraction=robust` selects; empty where `extraction` is the only one."""
    max_new_tokens: int = Field(gt=0)
    n: int = Field(1, gt=0)
    """Samples per problem. The command line overrides this, `temperature`, `top_p` and `max_new_tokens`."""
    temperature: float = Field(0.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _has_middle_if_infill(self) -> Self:
        if (self.kind == "infill") != (self.middle is not None):
            raise ValueError("a recipe of kind infill needs the key middle, and other kinds must not have it")
        return self


class Deviation(StrictModel):
    """A known deviation: verdicts may differ from the official grader's here."""

    id: str
    what: str
    why: str
    tasks: tuple[str, ...] = ()
    """The ids of the problems that can differ; empty if any can."""
    effect: str
    """The measured effect on verdicts."""


class TaskEntry(StrictModel):
    """One task of a family. `image` and `rules` override the card's."""

    name: str
    title: str
    default_recipe: str
    default_version: str
    recipes: tuple[str, ...] = ()
    """The card's recipes that fit the task; empty for all."""
    where: Mapping[str, str] = {}
    """Selects the task's records in data of several tasks: those whose fields have these values."""
    default_folder_version: str | None = None
    """The version to read from a data folder that has no file of the default version."""
    versions: Annotated[Mapping[str, Version], BeforeValidator(_add_names)]
    splits: Mapping[str, tuple[int, int] | str] = {}
    """By name: the first and the last problem number, or a prefix of the problems' ids."""
    default_split: str | None = None
    releases: Mapping[str, tuple[int, int]] = {}
    """By name: the first and the last file, counted from 1, of versions with several files."""
    default_release: str | None = None
    image: str = ""
    rules: Mapping[str, Any] = {}
    values: Mapping[str, str] = {}
    """Values for templates of prompts and file names, by the name that `{name}` refers to."""

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        check_known("default_version", self.default_version, self.versions)
        if self.default_folder_version is not None:
            check_known("default_folder_version", self.default_folder_version, self.versions)
        if self.default_split is not None or self.splits:
            check_known("default_split", self.default_split, self.splits)
        for version in self.versions.values():
            for by_split in (version.problems, version.fingerprint):
                if isinstance(by_split, Mapping) and set(by_split) != set(self.splits):
                    raise ValueError(f"version {version.name} needs a value for each split: {', '.join(self.splits)}")
        if self.default_release is not None or self.releases:
            check_known("default_release", self.default_release, self.releases)
        return self


class Card(StrictModel):
    """A task family."""

    adapter: str
    """A name in the entry-point group `evalharness.adapters`."""
    family: str
    description: str
    image: str = ""
    """The sandbox image (a folder in sandboxes/); empty if no program runs."""
    sample_image: str = ""
    """A smaller image for the bundled sample, where it suffices."""
    licence: str
    id_field: str = "task_id"
    """The record field with the problem's id."""
    date_field: str | None = None
    """The record field with the problem's date (ISO 8601), for the options start= and end=."""
    options: tuple[str, ...] = ()
    """Task options of the family besides version, recipe and split. The adapter interprets them."""
    grading: Grading
    recipes: Mapping[str, Recipe]
    deviations: tuple[Deviation, ...]
    """Known deviations from the official grader."""
    rules: Mapping[str, Any]
    """Settings of the adapter, such as limits."""
    tasks: Annotated[Mapping[str, TaskEntry], BeforeValidator(_add_names)] = Field(min_length=1)
    groups: Mapping[str, tuple[str, ...]] = {}
    """Groups of the card's tasks by name."""
    shared: Any = Field(None, exclude=True, repr=False)
    """YAML anchors that other parts of the file refer to."""
    folder: Path = Field(exclude=True, repr=False)
    """The folder of the card's file; no key of the card."""

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for group, members in self.groups.items():
            for member in members:
                check_known(f"groups.{group}", member, self.tasks)
        for name, entry in self.tasks.items():
            for recipe in entry.recipes:
                check_known(f"tasks.{name}.recipes", recipe, self.recipes)
            if self.recipes:
                check_known(f"tasks.{name}.default_recipe", entry.default_recipe, self.recipes_of(entry))
        return self

    def recipes_of(self, entry: TaskEntry) -> Mapping[str, Recipe]:
        """Returns the recipes that fit a task of the family, by name."""
        return {name: recipe for name, recipe in self.recipes.items() if not entry.recipes or name in entry.recipes}


def check_known(field: str, name: str | None, names: Mapping[str, Any]) -> None:
    """Raises ValueError if a field of a card refers to a name that does not exist."""
    if name not in names:
        raise ValueError(f"{field} is {name!r}, which is none of {', '.join(names) or 'no entries'}")
