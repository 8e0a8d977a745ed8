"""Finds tasks, task groups and task cards by name."""

from functools import cache
from pathlib import Path

from evalharness.data.cards.files import ALL_TASKS, check_unique_task_names, read_card, read_cards
from evalharness.data.cards.plugin_cards import load_plugin_cards
from evalharness.data.cards.schema import TaskCard, TaskEntry
from evalharness.errors import UserError
from evalharness.util.paths import bundled_folder
from evalharness.util.suggest import unknown_name_message

CARD_SUFFIXES = (".yaml", ".yml")


@cache
def load_cards() -> tuple[TaskCard, ...]:
    """Returns all known task cards: the bundled ones, then those of plug-ins (entry points `evalharness.cards`).

    Raises ValueError for an invalid bundled card. A broken plug-in or its card is skipped, with one line in the log.
    """
    cards = tuple(read_cards(bundled_folder("tasks")))
    check_unique_task_names(cards)
    return (*cards, *load_plugin_cards(cards))


def card_path_in_task_name(task_name: str) -> Path | None:
    """Returns FILE.yaml, the path of a card file, for a task name FILE.yaml or FILE.yaml:TASK; None for other names."""
    file, colon, _ = task_name.rpartition(":")
    candidates = (task_name, file) if colon else (task_name,)
    return next((Path(path) for path in candidates if path.endswith(CARD_SUFFIXES)), None)


def load_user_card(path: Path) -> TaskCard:
    """Returns the task card in a file that the user names (--task FILE.yaml). Raises UserError for an invalid card."""
    try:
        card = read_card(path)
    except ValueError as error:
        raise UserError(f"the task card cannot be used: {error}; docs/extending/card.md describes its keys") from None
    try:
        check_unique_task_names([*load_cards(), card])
    except ValueError as error:
        raise UserError(f"the task card {path} cannot be used: {error}") from None
    return card


def find_task(task_name: str) -> tuple[TaskCard, TaskEntry]:
    """Returns a task's card and the task's entry in this card.

    `task_name` is the name of a known task, FILE.yaml (the first task in a user's card file) or FILE.yaml:TASK. Raises
    UserError for an unknown name and for an invalid card.
    """
    cards = load_cards()
    if path := card_path_in_task_name(task_name):
        cards = (load_user_card(path),)
        task_name = task_name.removeprefix(str(path)).removeprefix(":") or next(iter(cards[0].tasks))
    for card in cards:
        if task_name in card.tasks:
            return card, card.tasks[task_name]
    raise UserError(unknown_name_message("task", task_name, [task for card in cards for task in card.tasks]))


def task_name_without_card_file(task_name: str) -> str:
    """Returns a task's name without its card file: TASK for FILE.yaml:TASK, FILE's first task for FILE.yaml.

    Other names are returned unchanged. Raises UserError if the card is invalid or does not have the task.
    """
    return find_task(task_name)[1].name if card_path_in_task_name(task_name) else task_name


def task_groups() -> dict[str, tuple[str, ...]]:
    """Returns a mapping of each task group's name to the names of its tasks. The group `all` contains every task."""
    cards = load_cards()
    groups: dict[str, tuple[str, ...]] = {}
    for card in cards:
        for group, members in card.groups.items():
            groups[group] = groups.get(group, ()) + members
    groups[ALL_TASKS] = tuple(task for card in cards for task in card.tasks)
    return groups


def expand_task_names(names: str) -> list[str]:
    """Returns the names of the tasks that a text such as "humaneval,evalplus,my-card.yaml" stands for, each once.

    Task groups and card files are replaced by the names of their tasks. Raises UserError for an unknown name, an
    invalid card and an empty text.
    """
    groups = task_groups()
    known_names = (*groups[ALL_TASKS], *groups)
    requested = [name.strip() for name in names.split(",") if name.strip()]
    if not requested:
        raise UserError(f"--task is empty; give tasks or groups, separated by commas: {', '.join(known_names)}")
    tasks: list[str] = []
    for name in requested:
        if path := card_path_in_task_name(name):
            tasks += _tasks_of_card_file(name, path)
        elif name in known_names:
            tasks += groups.get(name, (name,))
        else:
            raise UserError(unknown_name_message("task", name, known_names))
    return list(dict.fromkeys(tasks))


def _tasks_of_card_file(task_name: str, path: Path) -> list[str]:
    """Returns the names ABSOLUTE_PATH:TASK of all tasks of a card file, or of TASK alone for FILE.yaml:TASK."""
    absolute = path.expanduser().resolve()
    card = load_user_card(absolute)
    name_in_card = task_name.removeprefix(str(path)).removeprefix(":")
    if name_in_card and name_in_card not in card.tasks:
        raise UserError(unknown_name_message(f"task of {path}", name_in_card, list(card.tasks)))
    return [f"{absolute}:{task}" for task in ([name_in_card] if name_in_card else card.tasks)]
