"""Task cards: one YAML file per task family, with everything about its tasks that is not code."""

from evalharness.data.cards.files import ALL_TASKS
from evalharness.data.cards.recipe_schema import Recipe
from evalharness.data.cards.registry import (
    card_path_in_task_name,
    expand_task_names,
    find_task,
    load_cards,
    task_groups,
    task_name_without_card_file,
)
from evalharness.data.cards.schema import TaskCard, TaskEntry

__all__ = [
    "ALL_TASKS",
    "Recipe",
    "TaskCard",
    "TaskEntry",
    "card_path_in_task_name",
    "expand_task_names",
    "find_task",
    "load_cards",
    "task_groups",
    "task_name_without_card_file",
]
