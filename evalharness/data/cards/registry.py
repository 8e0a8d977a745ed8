"""Finds tasks, task groups and task cards by name."""

from functools import cache
from pathlib import Path

from evalharness.data.cards.files import ALL_TASKS, check_unique_names, read_card, read_cards
from evalharness.data.cards.plugin_cards import load_plugin_cards
from evalharness.data.cards.schema import Card, TaskEntry
from evalharness.errors import UserError
from evalharness.util.paths import bundled_folder
from evalharness.util.suggest import unknown_name_message

CARD_SUFFIXES = (".yaml", ".yml")


@cache
def load_cards() -> tuple[Card, ...]:
    """Returns all task cards: the bundled ones, then those of plug-ins (entry points `evalharness.cards`).

    Raises ValueError for an invalid bundled card. A broken plug-in or card is logged in one line and skipped.
    """
    cards = tuple(read_cards(bundled_folder("tasks")))
    check_unique_names(cards)
    return (*cards, *load_plugin_cards(cards))


def card_path(task_name: str) -> Path | None:
    """Returns the path of the card file in a task name such as FILE.yaml or FILE.yaml:TASK; None for other names."""
    file, colon, _ = task_name.rpartition(":")
    candidates = (task_name, file) if colon else (task_name,)
    return next((Path(path) for path in candidates if path.endswith(CARD_SUFFIXES)), None)


def load_user_card(path: Path) -> Card:
    """Returns the task card in a file of the user (--task FILE.yaml). Raises UserError if the card is invalid."""
    try:
        card = read_card(path)
    except ValueError as error:
        raise UserError(f"task card {error}; docs/extending/card.md describes the keys") from None
    try:
        check_unique_names([*load_cards(), card])
    except ValueError as error:
        raise UserError(f"task card {path} cannot be used: {error}; choose another name in the card") from None
    return card


def find_task(task_name: str) -> tuple[Card, TaskEntry]:
    """Returns a task's card and its entry in the card. FILE.yaml (its first task) and FILE.yaml:TASK are names, too.

    Raises UserError for an unknown name and for an invalid card.
    """
    cards = load_cards()
    if path := card_path(task_name):
        cards = (load_user_card(path),)
        task_name = task_name.removeprefix(str(path)).removeprefix(":") or next(iter(cards[0].tasks))
    for card in cards:
        if task_name in card.tasks:
            return card, card.tasks[task_name]
    raise UserError(unknown_name_message("task", task_name, [task for card in cards for task in card.tasks]))


def strip_card_file(task_name: str) -> str:
    """Returns a task's name without the card file, as in FILE.yaml:TASK. Raises UserError for an unknown task."""
    return find_task(task_name)[1].name if card_path(task_name) else task_name


def task_groups() -> dict[str, tuple[str, ...]]:
    """Returns the names of the tasks in each task group, by the group's name. The group `all` contains every task."""
    cards = load_cards()
    groups: dict[str, tuple[str, ...]] = {}
    for card in cards:
        for group, members in card.groups.items():
            groups[group] = groups.get(group, ()) + members
    groups[ALL_TASKS] = tuple(task for card in cards for task in card.tasks)
    return groups


def expand_task_names(names: str) -> list[str]:
    """Returns the tasks in a list such as "humaneval,evalplus,my-card.yaml", in order and without duplicates.

    Groups and card files are replaced by their tasks. Raises UserError for an unknown name, an invalid card and an
    empty list.
    """
    groups = task_groups()
    known_names = (*groups[ALL_TASKS], *groups)
    requested = [name.strip() for name in names.split(",") if name.strip()]
    if not requested:
        raise UserError(f"--task is empty; give tasks or groups, separated by commas: {', '.join(known_names)}")
    tasks: list[str] = []
    for name in requested:
        if path := card_path(name):
            tasks += _tasks_of_card_file(name, path)
        elif name in known_names:
            tasks += groups.get(name, (name,))
        else:
            raise UserError(unknown_name_message("task", name, known_names))
    return list(dict.fromkeys(tasks))


def _tasks_of_card_file(task_name: str, path: Path) -> list[str]:
    """Returns the tasks that a name such as FILE.yaml or FILE.yaml:TASK stands for, as ABSOLUTE_PATH:TASK."""
    absolute = path.expanduser().resolve()
    card = load_user_card(absolute)
    name_in_card = task_name.removeprefix(str(path)).removeprefix(":")
    if name_in_card and name_in_card not in card.tasks:
        raise UserError(unknown_name_message(f"task of {path}", name_in_card, list(card.tasks)))
    return [f"{absolute}:{task}" for task in ([name_in_card] if name_in_card else card.tasks)]
