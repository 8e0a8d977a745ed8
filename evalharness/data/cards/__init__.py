"""Task cards: one YAML file per task family, with everything about its tasks that is not code."""

from evalharness.data.cards.files import ALL_TASKS
from evalharness.data.cards.registry import expand_task_names, find_task, load_cards, task_groups
from evalharness.data.cards.schema import Card, Recipe, TaskEntry

__all__ = ["ALL_TASKS", "Card", "Recipe", "TaskEntry", "expand_task_names", "find_task", "load_cards", "task_groups"]
