"""Finds task cards, and tasks and groups by name."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from evalharness.data.cards.files import ALL_TASKS, check_names, read_cards
from evalharness.data.cards.schema import Card, TaskEntry
from evalharness.errors import UserError
from evalharness.util.paths import bundled
from evalharness.util.suggest import unknown_name
from evalharness.util.text import one_line

GROUP = "evalharness.cards"
"""The entry-point group of folders with task cards. An entry point names a path, or a function that returns one."""


@cache
def load_cards() -> tuple[Card, ...]:
    """Returns all cards: the bundled ones, then those of the entry points `evalharness.cards`.

    Raises ValueError for an invalid bundled card, and UserError for an invalid card of another package.
    """
    cards = read_cards(bundled("tasks"))
    check_names(cards)
    for point in entry_points(group=GROUP):
        try:
            cards += read_cards(_folder(point))
            check_names(cards)
        except Exception as error:  # Another package's code may raise anything.
            raise UserError(
                f"cannot load the task cards of entry point {point.name!r}: {one_line(str(error))}; fix or uninstall "
                "its package"
            ) from error
    return tuple(cards)


def _folder(point: EntryPoint) -> Path:
    value: Callable[[], str | Path] | str | Path = point.load()
    folder = Path(value() if callable(value) else value)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    return folder


def find_task(name: str) -> tuple[Card, TaskEntry]:
    """Returns the task of that name and its card. Raises UserError for an unknown name."""
    cards = load_cards()
    for card in cards:
        if name in card.tasks:
            return card, card.tasks[name]
    raise UserError(unknown_name("task", name, [task for card in cards for task in card.tasks]))


def task_groups() -> dict[str, tuple[str, ...]]:
    """Returns the tasks of every group, by the group's name. The group `all` has every task."""
    cards = load_cards()
    groups: dict[str, tuple[str, ...]] = {}
    for card in cards:
        for group, members in card.groups.items():
            groups[group] = groups.get(group, ()) + members
    groups[ALL_TASKS] = tuple(task for card in cards for task in card.tasks)
    return groups


def expand_task_names(names: str) -> list[str]:
    """Returns the tasks that a list such as "humaneval,evalplus" names, in its order and without duplicates.

    Raises UserError for an unknown name and for an empty list.
    """
    groups = task_groups()
    known = (*groups[ALL_TASKS], *groups)
    requested = [name.strip() for name in names.split(",") if name.strip()]
    if not requested:
        raise UserError(f"no task is given; known tasks and groups: {', '.join(known)}")
    for name in requested:
        if name not in known:
            raise UserError(unknown_name("task", name, known))
    return list(dict.fromkeys(task for name in requested for task in groups.get(name, (name,))))
