"""Plug-ins: objects that other packages register as entry points. A broken one is left out and harms nothing else."""

import logging
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from traceback import walk_tb
from typing import Any

from evalharness.errors import UserError
from evalharness.util.suggest import unknown_name_message
from evalharness.util.text import error_text

OWN_PACKAGE = "evalharness"
PLUGIN_ERRORS = (Exception, SystemExit)
"""What the code of another package may raise when it is imported or called."""
logger = logging.getLogger(OWN_PACKAGE)
"""Receives one line for each disabled plug-in; Python prints it to stderr where no handler is configured."""


def plugin_entry_points(entry_point_group: str) -> list[EntryPoint]:
    """Returns the plug-ins of an entry-point group, sorted by name.

    If several have the same name, returns one of them: that of this package, if any. Logs the others as disabled.
    """
    points = sorted(
        entry_points(group=entry_point_group), key=lambda point: (not _is_from_this_package(point), point.name)
    )
    by_name: dict[str, EntryPoint] = {}
    for point in points:
        if by_name.setdefault(point.name, point) is not point and by_name[point.name].value != point.value:
            owner = "evalharness itself" if _is_from_this_package(by_name[point.name]) else "another plug-in"
            report_disabled_plugin(
                describe_plugin_package(point),
                f"{owner} already has the name {point.name!r} in the entry-point group {entry_point_group}",
            )
    return sorted(by_name.values(), key=lambda point: point.name)


def plugin_names(entry_point_group: str) -> list[str]:
    """Returns the sorted names of the plug-ins in an entry-point group, without loading them."""
    return [point.name for point in plugin_entry_points(entry_point_group)]


def load_plugin(entry_point_group: str, plugin_kind: str, plugin_name: str) -> Any:
    """Loads a plug-in of an entry-point group and returns its object. `plugin_kind` is for messages, such as "backend".

    Raises UserError for an unknown name, and for a plug-in that cannot be loaded.
    """
    points = {point.name: point for point in plugin_entry_points(entry_point_group)}
    if plugin_name not in points:
        raise UserError(unknown_name_message(plugin_kind, plugin_name, list(points)))
    try:
        return points[plugin_name].load()
    except PLUGIN_ERRORS as error:
        if _is_from_this_package(points[plugin_name]):
            raise
        raise UserError(
            f"{plugin_kind} {plugin_name} ({describe_plugin_package(points[plugin_name])}) cannot be loaded: "
            f"{format_exception_line(error)}; fix or uninstall its package"
        ) from error


def load_plugins(entry_point_group: str) -> Iterator[tuple[str, Any]]:
    """Loads the plug-ins of an entry-point group; yields (name, object) of each. Logs those that cannot be loaded."""
    for point in plugin_entry_points(entry_point_group):
        try:
            loaded = point.load()
        except PLUGIN_ERRORS as error:
            if _is_from_this_package(point):
                raise
            report_disabled_plugin(describe_plugin_package(point), format_exception_line(error))
        else:
            yield point.name, loaded


def find_plugin_position(error: BaseException) -> tuple[str, str] | None:
    """Returns (package, "FILE, line N"): the last position in an exception's traceback that is in a plug-in's code.

    Returns None if no plug-in's code was running.
    """
    packages = {
        point.value.partition(":")[0].partition(".")[0]: describe_plugin_package(point)
        for group in entry_points().groups
        if group.startswith(f"{OWN_PACKAGE}.")
        for point in entry_points(group=group)
        if not _is_from_this_package(point)
    }
    position = None
    for frame, line_number in walk_tb(error.__traceback__):
        package = packages.get(str(frame.f_globals.get("__name__")).partition(".")[0])
        position = (package, f"{frame.f_code.co_filename}, line {line_number}") if package else position
    return position


def describe_plugin_package(point: EntryPoint) -> str:
    """Returns "package NAME" for the package that registered an entry point; "entry point NAME" if it is unknown."""
    return f"package {point.dist.name}" if point.dist else f"entry point {point.name}"


def format_exception_line(error: BaseException) -> str:
    """Returns an exception as one line: its type and message; for a UserError or ValueError only the message."""
    text = error_text(error)
    is_readable = isinstance(error, UserError | ValueError) or text == type(error).__name__
    return text if is_readable else f"{type(error).__name__}: {text}"


@cache
def report_disabled_plugin(plugin_package: str, reason: str) -> None:
    """Logs that a plug-in is not used, and why; only once for each plug-in and reason."""
    logger.warning("note: plug-in disabled: %s: %s; fix or uninstall it", plugin_package, reason)


def _is_from_this_package(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == OWN_PACKAGE
