"""Definition, validation and documentation of a backend's options.

A backend class names a pydantic model as its attribute `Options`; each field is one `--option key=value`. The field's
type and constraints validate the value, and its default and description document it:

    class Options(BackendOptions):
        threads: int = Field(0, ge=0, description="CPU threads; 0: as many as PyTorch chooses")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from evalharness.errors import UserError
from evalharness.records.options import OptionDescription
from evalharness.util.suggest import unknown_name_message

Schema = TypeVar("Schema", bound=BaseModel)
_LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
_KINDS = {"integer": "integer", "number": "number", "boolean": "true or false", "string": "text"}


class BackendOptions(BaseModel):
    """Base class of the pydantic models that define a backend's options; unknown keys are errors.

    Backends of other packages may use any pydantic model instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_options(schema: type[Schema], backend_name: str, options: Mapping[str, str]) -> Schema:
    """Returns a backend's `--option key=value` pairs, validated by its pydantic model `schema`.

    Raises UserError for an unknown key or an invalid value.
    """
    for key in options:
        if key not in schema.model_fields:
            raise UserError(unknown_name_message(f"option of backend {backend_name}", key, sorted(schema.model_fields)))
    try:
        return schema.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(str(part) for part in first["loc"])
        if first["type"] == "literal_error":
            choices = re.findall(r"'(.*?)'", first["ctx"]["expected"])
            raise UserError(
                unknown_name_message(f"{option} of backend {backend_name}", str(first["input"]), choices)
            ) from None
        raise UserError(
            f"option {option}={first.get('input')!r} of backend {backend_name} is not valid: {first['msg']}; "
            f"see `evalharness backends {backend_name}`"
        ) from None


def describe_options(schema: type[BaseModel]) -> list[OptionDescription]:
    """Returns a description of each option that a backend's pydantic model defines, in the order of definition."""
    properties: Mapping[str, Mapping[str, Any]] = schema.model_json_schema().get("properties", {})
    return [
        OptionDescription(name, _describe_allowed_values(entry), _describe_default(entry), entry.get("description", ""))
        for name, entry in properties.items()
    ]


def _describe_allowed_values(property_schema: Mapping[str, Any]) -> str:
    """Returns the allowed values of an option, given its JSON schema, as text such as "integer >= 1".

    Null is left out, because it cannot be written on the command line.
    """
    for variant in property_schema.get("anyOf", ()):
        if variant.get("type") != "null":
            return _describe_allowed_values(variant)
    if "enum" in property_schema:
        return ", ".join(map(str, property_schema["enum"]))
    if "const" in property_schema:
        return str(property_schema["const"])
    if property_schema.get("contentMediaType") == "application/json":
        return "JSON"
    limits = "".join(f" {sign} {property_schema[key]:g}" for key, sign in _LIMITS.items() if key in property_schema)
    return _KINDS.get(property_schema.get("type", ""), "text") + limits


def _describe_default(property_schema: Mapping[str, Any]) -> str:
    """Returns the default value of an option, given its JSON schema, as text; "" if it has none."""
    value = property_schema.get("default")
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
