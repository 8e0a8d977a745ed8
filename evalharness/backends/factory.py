"""Finds backends by name among the entry points of the installed packages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from evalharness.records import Backend
from evalharness.util.plugins import load_plugin, load_plugins, plugin_names
from evalharness.util.suggest import unknown_name_message

if TYPE_CHECKING:
    from pydantic import BaseModel

GROUP = "evalharness.backends"
"""The entry-point group in which a package registers its backends."""


@dataclass(frozen=True)
class BackendConfig:
    """The command line's arguments for a backend: model, batch size and options.

    `options` has the backend's `--option key=value` pairs, with the values as text.
    """

    model: str | None = None
    batch_size: int = 1
    options: Mapping[str, str] = field(default_factory=dict)


def backend_names() -> list[str]:
    """Returns the names of all installed backends, sorted."""
    return plugin_names(GROUP)


def find_backend(backend_name: str) -> Callable[[BackendConfig], Backend]:
    """Returns the backend class with this name. Raises UserError for an unknown name or a broken plug-in."""
    return cast(Callable[[BackendConfig], Backend], load_plugin(GROUP, "backend", backend_name))


def usable_backends() -> dict[str, Callable[[BackendConfig], Backend]]:
    """Returns the installed backend classes by name. Plug-ins that fail to load are left out with a warning."""
    return dict(load_plugins(GROUP))


def find_option_schema(backend_class: Any) -> type[BaseModel] | None:
    """Returns the pydantic model of a backend class's options (its attribute `Options`); None if it has none."""
    from pydantic import BaseModel

    schema = getattr(backend_class, "Options", None)
    return schema if isinstance(schema, type) and issubclass(schema, BaseModel) else None


def option_names(backend_class: Any) -> frozenset[str]:
    """Returns the `--option` keys that a backend class accepts."""
    schema = find_option_schema(backend_class)
    return frozenset(schema.model_fields) if schema else frozenset()


def unknown_option_message(unknown_option: str, backend_name: str, valid_options: Collection[str]) -> str:
    """Returns the error message for an option that the backend `backend_name` does not have.

    `valid_options` are the options of this backend. The message suggests the one with the most similar name, or names
    another backend that has the unknown option.
    """
    other_owners = {
        option: owner
        for owner, other in usable_backends().items()
        for option in option_names(other) - set(valid_options)
    }
    nearest = get_close_matches(unknown_option, [*valid_options, *other_owners], n=1)
    if nearest and nearest[0] in other_owners:
        option = nearest[0]
        owner = other_owners[option]
        return (
            f"unknown option {unknown_option!r} of backend {backend_name}; backend {owner} has an option {option}; "
            "leave it out"
        )
    return unknown_name_message("option", unknown_option, sorted(valid_options))
