"""The commands that the documentation shows exist, with their options."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from evalharness.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(?:\w+=\S* )*(?:\.venv/bin/)?evalharness .*$", re.MULTILINE)


def shown_commands() -> list[tuple[str, str]]:
    """Returns page and command line of each `evalharness` command in a code block."""
    return [
        (str(page.relative_to(ROOT)), line)
        for page in PAGES
        for block in BLOCK.findall(page.read_text())
        for line in COMMAND.findall(block.replace("\\\n", " "))
        if " | " not in line and "|" not in line.partition("--")[0]
    ]


@pytest.mark.parametrize(("page", "line"), shown_commands())
def test_command_of_the_documentation_exists(page: str, line: str) -> None:
    words = shlex.split(line.removeprefix("$ ").partition(" #")[0])
    words = words[next(index for index, word in enumerate(words) if word.endswith("evalharness")) + 1 :]
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"{page}: {line}"
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    assert not unknown, f"{page}: {line}"


def test_tables_of_options_and_cards_are_up_to_date() -> None:
    script = ROOT / "scripts" / "option_tables.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_documentation_shows_commands() -> None:
    assert len(shown_commands()) > 40


def test_examples_are_included_in_the_pages() -> None:
    included = {
        name
        for page in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r'^--8<-- "([^"]+)"$', page.read_text(), re.M)
    }
    assert len(included) >= 4
    assert all((ROOT / name).is_file() for name in included)
    # A formatter of Python reads the marker as an expression.
    assert not [page for page in (ROOT / "docs").rglob("*.md") if "8 < --" in page.read_text()]
