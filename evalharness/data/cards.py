"""Task cards: one YAML file per task family, which says everything about its tasks that is not code."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from evalharness.errors import UserError
from evalharness.records import MiddleLength
from evalharness.util.paths import bundled
from evalharness.util.suggest import unknown_name

EVERYTHING = "all"
"""The group of every task."""


def _name_each(value: Any) -> Any:
    """Gives each entry of a mapping its own key as `name`; what is not of that form is left for pydantic to refuse."""
    if not isinstance(value, dict):
        return value
    return {key: {**entry, "name": key} if isinstance(entry, dict) else entry for key, entry in value.items()}


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
"""In YAML one string or a list of them."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Grading(_Strict):
    """The official grader that the verdicts must match."""

    repository: str
    commit: str
    function: str
    notes: str = ""


class Recipe(_Strict):
    """A named way to turn a problem into a prompt and a completion into a program."""

    kind: Literal["completion", "chat", "infill"]
    description: str
    fields: Mapping[str, Any] = {}
    """Templates, as the adapter names them."""
    stops: tuple[str, ...] = ()
    middle: MiddleLength | None = None
    """infill only: how the length of the middle comes about."""
    extraction: str
    max_new_tokens: int = Field(gt=0)
    n: int = Field(1, gt=0)
    """Samples per problem, where the command line names no other number; so with temperature and top_p."""
    temperature: float = Field(0.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _middle_is_said(self) -> Self:
        if (self.kind == "infill") != (self.middle is not None):
            raise ValueError("a recipe of kind infill, and no other, says what its middle is")
        return self


class Deviation(_Strict):
    """A place where the verdicts may differ from the official grader's. No `tasks` (task ids) means any of them."""

    id: str
    what: str
    why: str
    tasks: tuple[str, ...] = ()
    effect: str


class HubSource(_Strict):
    """Where the hub keeps a version, at a pinned `revision`: the rows of `splits`, or `files`, one after the other.

    `folder` is the part of the repository to look in, where its configurations are folders and have no other name.
    """

    repo: str
    config: str | None = None
    folder: str | None = None
    splits: Names = ()
    files: Names = ()
    revision: str | None = None

    @model_validator(mode="after")
    def _names_one_kind(self) -> Self:
        if bool(self.splits) == bool(self.files):
            raise ValueError("a hub source names either splits or files")
        return self


class EvalPlusSource(_Strict):
    """The release file from which the evalplus package takes a version."""

    name: Literal["HumanEvalPlus", "MbppPlus"]
    version: str
    variant: Literal["full", "mini", "noextreme"] = "full"


Size = Annotated[int, Field(gt=0)]
FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")


class Version(_Strict):
    """A version of a task's data. `fields` are those that every source carries: they make up the fingerprint."""

    name: str
    problems: Size | Mapping[str, Size]
    """Here and below: one, or one for each split where the splits lie in files of their own."""
    fingerprint: str | Mapping[str, str] | None = None
    """None where the data were not to be had when the card was written: no run on them is known to be official."""
    note: str = ""
    """What results on this version must not be seen without."""
    file: Names = Field(min_length=1)
    """Paths below the data folder. Here and in the hub's config, `{split}` and the task's values are filled in."""
    sha256: tuple[str, ...] = ()
    """Of each file; where they are given, they decide whether data are official, and releases can be told apart."""
    fields: tuple[str, ...] = Field(min_length=1)
    hub: HubSource | None = None
    evalplus: EvalPlusSource | None = None
    rules: Mapping[str, Any] = {}
    """What the grader of this version's time did otherwise; over the task's and the card's rules."""

    @model_validator(mode="after")
    def _names_each_file(self) -> Self:
        if self.sha256 and len(self.sha256) != len(self.file):
            raise ValueError(f"sha256 names {len(self.sha256)} files, not {len(self.file)}")
        if self.hub and self.hub.files and len(self.hub.files) != len(self.file):
            raise ValueError(f"hub.files names {len(self.hub.files)} files, not {len(self.file)}")
        return self

    @field_validator("fingerprint")
    @classmethod
    def _is_one(cls, value: str | Mapping[str, str] | None) -> str | Mapping[str, str] | None:
        for each in value.values() if isinstance(value, Mapping) else (value,):
            if each is not None and not FINGERPRINT.fullmatch(each):
                raise ValueError(f"{each!r} is not sha256: and 64 hexadecimal digits")
        return value

    split: str = Field("", exclude=True, repr=False)
    """The split that this is a version of, where each lies in a file of its own; see `of`."""

    @property
    def by_split(self) -> bool:
        """Whether each split lies in a file of its own."""
        return not isinstance(self.problems, int)

    def of(self, values: Mapping[str, str], split: str | None) -> "Version":
        """The version of one split: its files, number of problems and fingerprint."""
        places = {**values, "split": split or ""}
        hub = self.hub and self.hub.model_copy(update={"config": fill(self.hub.config or "", places) or None})
        found = {"problems": self.problems, "fingerprint": self.fingerprint}
        found = {name: each[split or ""] if isinstance(each, Mapping) else each for name, each in found.items()}
        files = tuple(fill(name, places) for name in self.file)
        return self.model_copy(
            update={"file": files, "hub": hub, "split": (split or "") if self.by_split else "", **found}
        )


class TaskEntry(_Strict):
    """One task of a family; `image` and `rules` override the card's. `values` may be named in templates as `{name}`.

    `where` picks its records from data that hold several tasks': those whose fields have these values. `recipes`
    are those of the card that make sense for it; empty stands for all. A split is a range of problem numbers, both
    ends included, or what the ids of its problems begin with. A release is a range of files, from 1, both ends
    included, of the versions that have several.
    """

    name: str
    title: str
    default_recipe: str
    default_version: str
    recipes: tuple[str, ...] = ()
    where: Mapping[str, str] = {}
    default_folder_version: str | None = None
    """Of a data folder that holds nothing of the default version."""
    versions: Annotated[Mapping[str, Version], BeforeValidator(_name_each)]
    splits: Mapping[str, tuple[int, int] | str] = {}
    default_split: str | None = None
    releases: Mapping[str, tuple[int, int]] = {}
    default_release: str | None = None
    image: str = ""
    rules: Mapping[str, Any] = {}
    values: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        _known("default_version", self.default_version, self.versions)
        if self.default_folder_version is not None:
            _known("default_folder_version", self.default_folder_version, self.versions)
        if self.default_split is not None or self.splits:
            _known("default_split", self.default_split, self.splits)
        for version in self.versions.values():
            for each in (version.problems, version.fingerprint):
                if isinstance(each, Mapping) and set(each) != set(self.splits):
                    raise ValueError(f"version {version.name} must say it for each of {', '.join(self.splits)}")
        if self.default_release is not None or self.releases:
            _known("default_release", self.default_release, self.releases)
        return self


class Card(_Strict):
    """A task family. `folder` is where its card lies; it is no part of what the card says."""

    adapter: str
    """A name in the entry-point group `evalharness.adapters`."""
    family: str
    description: str
    image: str = ""
    """A folder of sandboxes/; empty where nothing is run."""
    sample_image: str = ""
    """The same for the bundled sample, where a smaller one will do."""
    licence: str
    id_field: str = "task_id"
    """The field of a record that names its problem."""
    date_field: str | None = None
    """The field with a problem's date (ISO 8601), where options start= and end= choose problems by it."""
    options: tuple[str, ...] = ()
    """`--option` keys that the family knows besides version, recipe and split; the adapter says what they mean."""
    grading: Grading
    recipes: Mapping[str, Recipe]
    deviations: tuple[Deviation, ...]
    rules: Mapping[str, Any]
    """Settings of the adapter: limits, guard ..."""
    tasks: Annotated[Mapping[str, TaskEntry], BeforeValidator(_name_each)] = Field(min_length=1)
    groups: Mapping[str, tuple[str, ...]] = {}
    shared: Any = Field(None, exclude=True, repr=False)
    """What several entries of the file refer to by YAML anchors."""
    folder: Path = Field(exclude=True, repr=False)

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for group, members in self.groups.items():
            for member in members:
                _known(f"groups.{group}", member, self.tasks)
        for name, entry in self.tasks.items():
            for recipe in entry.recipes:
                _known(f"tasks.{name}.recipes", recipe, self.recipes)
            if self.recipes:
                _known(f"tasks.{name}.default_recipe", entry.default_recipe, self.recipes_of(entry))
        return self

    def recipes_of(self, entry: TaskEntry) -> Mapping[str, Recipe]:
        """The recipes that a task of the family may be run with."""
        return {name: recipe for name, recipe in self.recipes.items() if not entry.recipes or name in entry.recipes}


PLACE = re.compile(r"\{(\w+)\}")


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each `{name}` that has a value replaced by it; all other braces stay as they are."""
    return PLACE.sub(lambda found: values.get(found[1], found[0]), template)


def _known(field: str, name: str | None, names: Mapping[str, Any]) -> None:
    if name not in names:
        raise ValueError(f"{field} names {name!r}, which is none of {', '.join(names) or 'no entries'}")


@cache
def load_cards() -> tuple[Card, ...]:
    """All cards, the bundled ones first, then those of the entry points `evalharness.data.cards`.

    Raises ValueError, naming file and field, for a bundled card that is malformed; UserError for a plugin's.
    """
    cards = [_read(path) for path in sorted(bundled("tasks").glob("*.yaml"))]
    _check_names(cards)
    for point in entry_points(group="evalharness.cards"):
        try:
            cards += [_read(path) for path in sorted(_folder(point).glob("*.yaml"))]
            _check_names(cards)
        except Exception as error:  # a plugin may raise anything
            line = " ".join(str(error).split())
            raise UserError(
                f"task cards of entry point {point.name!r} do not load: {line}; mend or remove it"
            ) from error
    return tuple(cards)


def find_task(name: str) -> tuple[Card, TaskEntry]:
    """The task and its card. Raises UserError for an unknown name."""
    cards = load_cards()
    for card in cards:
        if name in card.tasks:
            return card, card.tasks[name]
    raise UserError(unknown_name("task", name, [task for card in cards for task in card.tasks]))


def groups() -> dict[str, tuple[str, ...]]:
    """All groups with their tasks; `all` holds every task."""
    cards = load_cards()
    found: dict[str, tuple[str, ...]] = {}
    for card in cards:
        for group, members in card.groups.items():
            found[group] = found.get(group, ()) + members
    found[EVERYTHING] = tuple(task for card in cards for task in card.tasks)
    return found


def expand(names: str) -> list[str]:
    """The tasks that a list such as "humaneval,evalplus" stands for, each once, in the order given.

    Raises UserError for an unknown name and for an empty list.
    """
    by_group = groups()
    known = (*by_group[EVERYTHING], *by_group)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise UserError(f"no task is named; known: {', '.join(known)}")
    for name in wanted:
        if name not in known:
            raise UserError(unknown_name("task", name, known))
    return list(dict.fromkeys(task for name in wanted for task in by_group.get(name, (name,))))


def _folder(point: EntryPoint) -> Path:
    value: Callable[[], str | Path] | str | Path = point.load()
    folder = Path(value() if callable(value) else value)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    return folder


def _read(path: Path) -> Card:
    """The card in a file. Raises ValueError that names the file and each field that is wrong."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: a card is a mapping")
    try:
        return Card.model_validate({**data, "folder": path.parent})
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, each['loc'])) or 'card'}: {each['msg']}" for each in error.errors())
        raise ValueError(f"{path}: {'; '.join(wrong)}") from error


def _check_names(cards: list[Card]) -> None:
    tasks = [task for card in cards for task in card.tasks]
    taken = {EVERYTHING, *(group for card in cards for group in card.groups)}
    for name in tasks:
        if tasks.count(name) > 1 or name in taken:
            raise ValueError(f"the name {name!r} is used more than once among tasks and groups")
    if any(EVERYTHING in card.groups for card in cards):
        raise ValueError(f"the group {EVERYTHING!r} is made of every task and cannot be defined")
