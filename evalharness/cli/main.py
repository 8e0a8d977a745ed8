"""The entry point of the command line `evalharness`, with all its commands."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from evalharness.cli.common import run_app, show_help
from evalharness.util.version import __version__

COMMANDS = {
    "run": "evalharness.cli.run:run",
    "grade": "evalharness.cli.run:grade",
    "sweep": "evalharness.cli.sweep:sweep",
    "merge": "evalharness.cli.merge:merge",
    "bench": "evalharness.cli.bench:bench",
    "compare": "evalharness.cli.results:compare",
    "frontier": "evalharness.cli.results:frontier",
    "leaderboard": "evalharness.cli.results:leaderboard",
    "report": "evalharness.cli.results:report",
    "show": "evalharness.cli.listing.show:show",
    "tasks": "evalharness.cli.listing.tasks:tasks",
    "backends": "evalharness.cli.listing.backends:backends",
    "doctor": "evalharness.cli.listing.doctor:doctor",
    "serve": "evalharness.cli.serve:serve",
    "serve-sandbox": "evalharness.cli.serve_sandbox:serve_sandbox",
    "train": "evalharness.cli.train:train",
    "version": "evalharness.cli.main:version",
    "arena": "evalharness.cli.arena:app",
    "data": "evalharness.cli.data:app",
    "sandbox": "evalharness.cli.sandbox:app",
}
"""Where each command's function, or its group of commands, is defined; the help lists them in this order."""


class LazyCommands(Mapping[str, Any]):
    """typer's command objects by name, each imported at its first use."""

    def __getitem__(self, name: str) -> Any:
        return load_command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LazyGroup(TyperGroup):
    """The group of all `COMMANDS`, of which calling one imports no other."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.commands: Any = LazyCommands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


@cache
def load_command(name: str) -> Any:
    """Imports a command, or a group of commands, and returns it as typer's command object. Raises `KeyError`."""
    module, attribute = COMMANDS[name].split(":")
    command = getattr(import_module(module), attribute)
    group = typer.Typer(callback=lambda: None, rich_markup_mode=None)
    if isinstance(command, typer.Typer):
        group.add_typer(command, name=name)
    else:
        group.command(name)(command)
    built: Any = typer.main.get_command(group)
    return built.commands[name]


app = typer.Typer(
    cls=LazyGroup,
    help="Measures code models: how often they are right (pass@k) and how fast they are (tokens/s).",
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def print_version(requested: bool) -> None:
    """Prints the package's version and ends the program if `requested`, that is, if `--version` is given."""
    if requested:
        print(__version__)
        raise typer.Exit()


@app.callback()
def evalharness(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Prints the help of `evalharness` if no command is given."""
    show_help(context)


def version() -> None:
    """Prints the package's version."""
    print(__version__)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits with an `ExitCode`. `arguments` are those of the process by default."""

    def on_sigterm(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the cleanup
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_sigterm)
    sys.exit(run_app(app, sys.argv[1:] if arguments is None else arguments))
