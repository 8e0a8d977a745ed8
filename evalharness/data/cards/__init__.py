"""Task cards: one YAML file per task family, with everything about its tasks that is not code."""

from evalharness.data.cards.files import ALL_TASKS
from evalharness.data.cards.recipe_schema import Recipe
from evalharness.data.cards.registry import (
    card_path,
    expand_task_names,
    find_task,
    load_cards,
    strip_card_file,
    task_groups,
)
from evalharness.data.cards.schema import Card, TaskEntry

__all__ = [
    "ALL_TASKS",
    "Card",
    "Recipe",
    "TaskEntry",
    "card_path",
    "expand_task_names",
    "find_task",
    "load_cards",
    "strip_card_file",
    "task_groups",
]
