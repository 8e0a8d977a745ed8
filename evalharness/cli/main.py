"""The entry point of the command line `evalharness`, with all its commands."""

import signal
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from evalharness.cli import arena, data, sandbox
from evalharness.cli.bench import bench
from evalharness.cli.common import run_app, show_help
from evalharness.cli.listing.backends import backends
from evalharness.cli.listing.doctor import doctor
from evalharness.cli.listing.show import show
from evalharness.cli.listing.tasks import tasks
from evalharness.cli.merge import merge
from evalharness.cli.results import compare, frontier, leaderboard, report
from evalharness.cli.run import grade, run
from evalharness.cli.serve import serve
from evalharness.cli.serve_sandbox import serve_sandbox
from evalharness.cli.sweep import sweep
from evalharness.cli.train import train
from evalharness.util.version import __version__

app = typer.Typer(
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


# The order in which the help lists them.
app.command()(run)
app.command()(grade)
app.command()(sweep)
app.command()(merge)
app.command()(bench)
app.command()(compare)
app.command()(frontier)
app.command()(leaderboard)
app.command()(report)
app.command()(show)
app.command()(tasks)
app.command()(backends)
app.command()(doctor)
app.command()(serve)
app.command()(serve_sandbox)
app.command()(train)
app.command()(version)
app.add_typer(arena.app, name="arena")
app.add_typer(data.app, name="data")
app.add_typer(sandbox.app, name="sandbox")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits with an `ExitCode`. `arguments` are those of the process by default."""

    def on_sigterm(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the cleanup
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_sigterm)
    sys.exit(run_app(app, sys.argv[1:] if arguments is None else arguments))
