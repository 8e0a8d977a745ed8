"""Sources of completions, one file per backend, found by name through entry points."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeVar, cast

from evalharness.errors import UserError
from evalharness.records import Backend, Completion, Request
from evalharness.util.suggest import unknown_name

if TYPE_CHECKING:
    from pydantic import BaseModel

GROUP = "evalharness.backends"
Schema = TypeVar("Schema", bound="BaseModel")


@dataclass(frozen=True)
class BackendConfig:
    """What the command line says of a backend. `options` holds the backend's own `--option key=value` pairs."""

    model: str | None = None
    batch_size: int = 1
    options: Mapping[str, str] = field(default_factory=dict)


def backend_names() -> list[str]:
    """Names of all installed backends, sorted."""
    return sorted(point.name for point in entry_points(group=GROUP))


def find_backend(name: str) -> Callable[[BackendConfig], Backend]:
    """The backend class of that name. Raises UserError with near matches for an unknown one."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            return cast(Callable[[BackendConfig], Backend], point.load())
    raise UserError(unknown_name("backend", name, backend_names()))


def option_names(backend: Any) -> frozenset[str]:
    """The `--option` keys that a backend class understands: the fields of its `Options` model, if it has one."""
    schema: type[BaseModel] | None = getattr(backend, "Options", None)
    return frozenset(schema.model_fields) if schema else frozenset()


def unknown_option(name: str, backend: str, known: Collection[str]) -> str:
    """One line for an option that is not among the known ones; says so if it is another backend's."""
    elsewhere = {
        option: other for other in backend_names() for option in option_names(find_backend(other)) - set(known)
    }
    nearest = get_close_matches(name, [*known, *elsewhere], n=1)
    if nearest and nearest[0] in elsewhere:
        return f"unknown option {name!r} of backend {backend}; {nearest[0]} is one of backend {elsewhere[nearest[0]]}"
    return unknown_name("option", name, sorted(known))


def parse_options(schema: type[Schema], backend: str, options: Mapping[str, str]) -> Schema:
    """The options as the backend's pydantic model. Raises UserError for an unknown key or a bad value."""
    from pydantic import ValidationError

    for key in options:
        if key not in schema.model_fields:
            raise UserError(unknown_name(f"option of backend {backend}", key, sorted(schema.model_fields)))
    try:
        return schema.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "literal_error":
            values = re.findall(r"'(.*?)'", first["ctx"]["expected"])
            raise UserError(unknown_name(f"{place} of backend {backend}", str(first["input"]), values)) from None
        raise UserError(f"option {place}={first.get('input')!r} of backend {backend}: {first['msg']}") from None


def nothing(request: Request, prompt_tokens: int, error: str = "") -> Completion:
    """An empty answer: the model's failure to take the prompt or, with `error`, the machine's to run it."""
    return Completion(
        *request.key,
        text="",
        prompt_tokens=prompt_tokens,
        output_tokens=None if error else 0,
        finish_reason="error" if error else "length",
        error=error,
    )
