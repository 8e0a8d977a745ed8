"""Reads task cards (YAML files that describe tasks) and reports errors by file and field."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from evalharness.data.cards.recipe_schema import Recipe
from evalharness.data.cards.schema import CardOption, GraderDeviation, OfficialGrader, TaskCard, TaskEntry
from evalharness.data.cards.short_card import ShortRecipe, ShortTaskCard
from evalharness.data.cards.version_schema import DataVersion, EvalPlusSource, HubSource
from evalharness.util.text import one_line
from evalharness.util.yaml_text import parse_yaml

Model = TypeVar("Model", bound=BaseModel)
ALL_TASKS = "all"
"""The name of the group of all tasks."""
SHORT_CARD_MODELS: tuple[type[BaseModel], ...] = (ShortTaskCard, ShortRecipe)
FULL_CARD_MODELS: tuple[type[BaseModel], ...] = (
    TaskCard, TaskEntry, DataVersion, Recipe, CardOption, GraderDeviation, OfficialGrader, HubSource, EvalPlusSource,
)  # fmt: skip
VALUE_ERROR_PREFIX = "Value error, "
"""What pydantic puts before the message of a ValueError."""


def read_cards(folder: Path) -> list[TaskCard]:
    """Returns the task cards in a folder's YAML files, sorted by file name. Raises ValueError for an invalid card."""
    return [read_card(path) for path in card_files(folder)]


def card_files(folder: Path) -> list[Path]:
    """Returns the `*.yaml` and `*.yml` files of a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))


def read_card(path: Path) -> TaskCard:
    """Returns the task card in a YAML file: a full card, or a short card of one task, converted to a full card.

    Raises ValueError with the file and each invalid field.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not valid YAML, fix its syntax: {one_line(str(error))}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a task card: write the YAML as a mapping of keys to values")
    if not {"tasks", "name"} & set(content):
        raise ValueError(f"{path}: not a task card: add the key 'name' (for one task) or the key 'tasks' (for several)")
    if "tasks" not in content:
        content = _validate_card(path, ShortTaskCard, content, SHORT_CARD_MODELS).to_full_card()
    return _validate_card(path, TaskCard, {**content, "folder": path.parent.resolve()}, FULL_CARD_MODELS)


def _validate_card(
    path: Path, model: type[Model], content: Mapping[str, Any], models_with_known_keys: Sequence[type[BaseModel]]
) -> Model:
    """Returns the content of a card file, validated, as an instance of the pydantic model `model`.

    Raises ValueError with the file and each invalid field. For an unknown key, the message suggests a similar key of
    the pydantic models `models_with_known_keys`.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        known_keys = list(dict.fromkeys(name for part in models_with_known_keys for name in part.model_fields))
        problems = (_describe_field_error(dict(item), known_keys) for item in error.errors())
        raise ValueError(f"{path}: fix these keys: {'; '.join(dict.fromkeys(problems))}") from error


def _describe_field_error(error: Mapping[str, Any], known_keys: Sequence[str]) -> str:
    """Returns one pydantic error as "FIELD: what is wrong"; for an unknown key, suggests one of `known_keys`."""
    key_path = ".".join(map(str, error["loc"])) or "card"
    if error["type"] == "missing":
        return f"{key_path}: missing"
    if error["type"] == "extra_forbidden":
        near = get_close_matches(str(error["loc"][-1]), known_keys, n=1)
        return f"{key_path}: unknown key" + (f"; did you mean {near[0]}?" if near else "")
    return f"{key_path}: {str(error['msg']).removeprefix(VALUE_ERROR_PREFIX)}"


def check_unique_task_names(cards: Sequence[TaskCard]) -> None:
    """Raises ValueError if two tasks or task groups of these cards have the same name."""
    tasks = [task for card in cards for task in card.tasks]
    group_names = {ALL_TASKS, *(group for card in cards for group in card.groups)}
    for name in tasks:
        if tasks.count(name) > 1 or name in group_names:
            raise ValueError(
                f"the name {name!r} is used more than once for tasks or task groups; choose another name in the card"
            )
    if any(ALL_TASKS in card.groups for card in cards):
        raise ValueError(
            f"the group name {ALL_TASKS!r} is reserved for the group of all tasks; rename the group in the card"
        )
