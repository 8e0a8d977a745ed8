"""Finds the card files of other packages, which the entry points `evalharness.cards` name."""

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint
from importlib.readers import MultiplexedPath
from pathlib import Path
from types import ModuleType
from typing import Any

from evalharness.data.cards.files import card_files, check_unique_task_names, read_card
from evalharness.data.cards.schema import TaskCard
from evalharness.util.plugins import (
    PLUGIN_ERRORS,
    describe_plugin_package,
    format_exception_line,
    plugin_entry_points,
    report_disabled_plugin,
)

CARD_GROUP = "evalharness.cards"
"""The entry-point group of task cards."""
DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
CARDS_SUBFOLDER = "cards"
"""The folder in a plug-in's package with its cards, if none are beside its modules."""


def load_plugin_cards(builtin_cards: tuple[TaskCard, ...]) -> Iterator[TaskCard]:
    """Yields the task cards of all installed plug-ins. A broken plug-in or card is skipped, with one line in the log.

    `builtin_cards` are the bundled cards; a plug-in's card that has one of their task names is skipped, too.
    """
    accepted = list(builtin_cards)
    for point in plugin_entry_points(CARD_GROUP):
        try:
            paths = plugin_card_paths(point)
        except PLUGIN_ERRORS as error:
            report_disabled_plugin(describe_plugin_package(point), format_exception_line(error))
            continue
        for path in paths:
            try:
                card = read_card(path)
            except ValueError as error:
                report_disabled_plugin(describe_plugin_package(point), format_exception_line(error))
                continue
            try:
                check_unique_task_names([*accepted, card])
            except ValueError as error:
                report_disabled_plugin(describe_plugin_package(point), f"{path}: {error}")
                continue
            accepted.append(card)
            yield card


def plugin_card_paths(entry_point: EntryPoint) -> list[Path]:
    """Returns the paths of the task cards that a plug-in's entry point names.

    The entry point's value can be a module or package (cards in its folder, or in the subfolder `cards`), a path (Path
    or str), the dotted name of a module, a resource of `importlib.resources`, or a function that returns one of these
    values. Raises FileNotFoundError if there are no cards, and any exception that the import of the plug-in raises.
    """
    value: Any = entry_point.load()
    return _card_files_at(_card_path_of_plugin_object(value() if callable(value) else value))


def _card_path_of_plugin_object(plugin_object: Any) -> Path:
    if isinstance(plugin_object, str) and DOTTED_NAME.fullmatch(plugin_object) and not Path(plugin_object).exists():
        plugin_object = import_module(plugin_object)
    if isinstance(plugin_object, ModuleType):
        is_package = hasattr(plugin_object, "__path__")
        return Path(next(iter(plugin_object.__path__))) if is_package else Path(str(plugin_object.__file__)).parent
    if isinstance(plugin_object, MultiplexedPath):
        return Path(str(next(plugin_object.iterdir()))).parent
    return Path(str(plugin_object))


def _card_files_at(path: Path) -> list[Path]:
    """Returns [path] if it is a file; else the card files in this folder or, without any, in its subfolder `cards`."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(
            f"the plug-in's folder of task cards does not exist: {path}; correct its entry point {CARD_GROUP}"
        )
    for folder in (path, path / CARDS_SUBFOLDER):
        if folder.is_dir() and (cards := card_files(folder)):
            return cards
    raise FileNotFoundError(
        f"no task card (*.yaml) is in {path} or its subfolder {CARDS_SUBFOLDER}; correct the plug-in's entry point "
        f"{CARD_GROUP}"
    )
