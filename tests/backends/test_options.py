"""Validation and description of backend options."""

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, Json

from evalharness.backends import BackendOptions, backend_names, find_backend, parse_options
from evalharness.backends.factory import find_option_schema
from evalharness.backends.options import OptionDescription, describe_options
from evalharness.errors import UserError


class Example(BackendOptions):
    mode: Literal["fast", "slow"] = Field("fast", description="Speed")
    rows: int = Field(2, ge=1, le=8, description="Rows per pass")
    bound: float | None = Field(None, gt=0.5)
    keep: bool = False
    file: Path | None = None
    extra: Json[dict[str, Any]] = Field(default_factory=dict)


def test_description_has_values_default_and_help() -> None:
    assert describe_options(Example) == [
        OptionDescription("mode", "fast, slow", "fast", "Speed"),
        OptionDescription("rows", "integer >= 1 <= 8", "2", "Rows per pass"),
        OptionDescription("bound", "number > 0.5", "", ""),
        OptionDescription("keep", "true or false", "false", ""),
        OptionDescription("file", "text", "", ""),
        OptionDescription("extra", "JSON", "", ""),
    ]


def test_any_pydantic_model_is_described() -> None:
    class OfPlugIn(BaseModel):
        size: int

    assert describe_options(OfPlugIn) == [OptionDescription("size", "integer", "", "")]


def test_options_are_parsed_from_text() -> None:
    parsed = parse_options(Example, "b", {"mode": "slow", "rows": "3", "keep": "true", "extra": '{"a": 1}'})
    assert (parsed.mode, parsed.rows, parsed.keep, parsed.extra) == ("slow", 3, True, {"a": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modee": "slow"}, "unknown option of backend b 'modee'; did you mean mode?"),
        ({"mode": "slov"}, "unknown mode of backend b 'slov'; did you mean slow?"),
        (
            {"rows": "0"},
            "option rows='0' of backend b is not valid: Input should be greater than or equal to 1; "
            "see `evalharness backends b`",
        ),
    ],
)
def test_wrong_options_are_user_errors(options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_options(Example, "b", options)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", backend_names())
def test_every_option_has_a_help_text(name: str) -> None:
    schema = find_option_schema(find_backend(name))
    assert schema is not None
    assert all(option.help and option.values for option in describe_options(schema))
