"""Reads task cards from YAML files, and reports what is wrong with them by file and field."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from evalharness.data.cards.schema import Card

ALL_TASKS = "all"
"""The group of every task."""


def read_cards(folder: Path) -> list[Card]:
    """Returns the cards of a folder's `*.yaml` files, sorted by file name. Raises ValueError as `read_card` does."""
    return [read_card(path) for path in sorted(folder.glob("*.yaml"))]


def read_card(path: Path) -> Card:
    """Returns the card in a file. Raises ValueError that names the file and each invalid field."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a task card is a mapping of keys to values")
    try:
        return Card.model_validate({**content, "folder": path.parent})
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, item['loc'])) or 'card'}: {item['msg']}" for item in error.errors())
        raise ValueError(f"{path}: {'; '.join(problems)}") from error


def check_names(cards: Sequence[Card]) -> None:
    """Raises ValueError if a name stands for more than one task or group."""
    tasks = [task for card in cards for task in card.tasks]
    group_names = {ALL_TASKS, *(group for card in cards for group in card.groups)}
    for name in tasks:
        if tasks.count(name) > 1 or name in group_names:
            raise ValueError(f"the name {name!r} is used more than once among tasks and groups")
    if any(ALL_TASKS in card.groups for card in cards):
        raise ValueError(f"the group {ALL_TASKS!r} is reserved for every task; use another name")
