"""A command imports no module of another command, so that each starts quickly."""

import subprocess
import sys
from collections.abc import Callable

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

PRINT_MODULES = """
import atexit, sys
atexit.register(lambda: print(*sys.modules))
from evalharness.cli.main import main
main({arguments})
"""


@pytest.mark.parametrize(
    ("arguments", "loaded", "absent"),
    [
        (["--version"], "evalharness.cli.main", ["evalharness.cli.run", "pydantic"]),
        (["grade", "--help"], "evalharness.cli.run", ["evalharness.cli.arena", "evalharness.cli.sweep", "numpy"]),
        (["sandbox", "check", "--help"], "evalharness.cli.sandbox", ["evalharness.cli.run", "evalharness.cli.results"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_command_imports_no_other(arguments: list[str], loaded: str, absent: list[str]) -> None:
    code = PRINT_MODULES.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules = done.stdout.splitlines()[-1].split()
    assert loaded in modules
    assert not set(absent) & set(modules)


def test_the_help_lists_all_commands_in_the_order_of_a_users_work(cli: Command) -> None:
    lines = cli("--help").stdout.partition("Commands:\n")[2].splitlines()
    names = [line.split()[0] for line in lines]
    assert names[:3] == ["run", "grade", "sweep"]
    assert set(names) >= {"serve-sandbox", "arena", "sandbox", "version"}


@pytest.mark.parametrize(
    ("words", "suggested"),
    [(["grad"], "grade"), (["aren"], "arena"), (["arena", "repot"], "report"), (["serve-sandbx"], "serve-sandbox")],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistyped_command_is_suggested(cli: Command, words: list[str], suggested: str) -> None:
    done = cli(*words)
    assert done.returncode == 2
    assert f"Did you mean '{suggested}'" in done.stderr
