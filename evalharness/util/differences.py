"""Compares two JSON values and yields the keys at which they differ."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

MAX_VALUE_CHARACTERS = 60
"""Maximum length of a value in a message, in characters."""


class JsonDifference(NamedTuple):
    """A difference between two JSON values: the path of keys to it, and the old and the new value as shortened JSON."""

    key_path: str
    """The path of keys, joined by dots, such as `task.version`."""
    old: str
    new: str


def find_differences(old: Any, new: Any, key_path: str = "") -> Iterator[JsonDifference]:
    """Yields each difference between two JSON values.

    `key_path` is the path of keys by which both values were reached; empty for the outermost ones.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from find_differences(old.get(key), new.get(key), f"{key_path}.{key}" if key_path else str(key))
    elif old != new:
        yield JsonDifference(key_path, _format_short_json(old), _format_short_json(new))


def _format_short_json(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 3] + "..."
