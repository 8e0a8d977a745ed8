"""Compares two plain JSON values and names where they differ."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

SHOWN = 60
"""Characters of a value that a message shows."""


class Difference(NamedTuple):
    """One place where two values differ. The values are JSON texts, shortened."""

    place: str
    """The keys on the way to it, joined by dots, such as `task.version`."""
    old: str
    new: str


def differences(old: Any, new: Any, place: str = "") -> Iterator[Difference]:
    """Yields the places where two plain JSON values differ, in the order of the keys of `old`, then of `new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from differences(old.get(key), new.get(key), f"{place}.{key}" if place else str(key))
    elif old != new:
        yield Difference(place, _short(old), _short(new))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
