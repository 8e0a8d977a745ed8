"""The help of every command: every option says what it does and its default."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from evalharness.cli.main import app

COMMAND: Any = typer.main.get_command(app)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below a group, with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(COMMAND))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_parameter_has_a_help_text_with_its_default(path: tuple[str, ...]) -> None:
    for parameter in COMMANDS[path].params:
        if parameter.name == "help":
            continue
        text = parameter.help or ""
        assert len(text.split()) >= 2, parameter.name
        assert "As of " not in text
        shown = parameter.default not in (None, "") and parameter.default is not False  # typer appends it to the text
        says_default = parameter.required or "[default: " in text or shown
        assert says_default, f"{parameter.name} of {' '.join(path)} does not say its default"
        assert text.rstrip().endswith((".", "]")), f"{parameter.name}: {text}"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_a_summary_that_fits_on_its_line(path: tuple[str, ...]) -> None:
    summary = COMMANDS[path].help.split("\n\n")[0]
    assert summary.endswith(".")
    assert "\n" not in summary.strip()
    assert "..." not in COMMANDS[path].get_short_help_str(60)
