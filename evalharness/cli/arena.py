"""The commands `arena ...`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from evalharness.cli import options as opt
from evalharness.cli.common import log, show_help
from evalharness.util.extras import require_extra

app = typer.Typer(
    help="Compares models by blind votes of people.",
    callback=show_help,
    invoke_without_command=True,
)

VotesOption = Annotated[
    Path, typer.Option("--votes", metavar="DIR", help="Folder of the votes; it is made if there is none.")
]
OptionalRuns = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="RUN", help="Run directories, or folders that contain some. [default: none]", show_default=False
    ),
]


@app.command()
def serve(
    votes: VotesOption,
    runs: OptionalRuns = None,
    live: Annotated[
        list[str] | None,
        typer.Option(
            "--live",
            metavar="BACKEND:MODEL",
            help="Model that is asked when a pair is drawn; may be repeated. [default: none]",
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            "--task", metavar="NAME", help="Task whose problems live models answer. [default: those of the runs]"
        ),
    ] = "",
    data: opt.DataOption = None,
    option: opt.KeyValueOptions = None,
    uniform: Annotated[
        bool,
        typer.Option("--uniform", help="Draw all pairs of models alike. [default: those that tell most]"),
    ] = False,
    recorded: Annotated[
        float,
        typer.Option(
            "--recorded",
            metavar="SHARE",
            help="Share of the pairs, from 0 to 1, whose answers appear as fast as their models wrote them.",
        ),
    ] = 0.0,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on. One that other machines can reach needs a token in $EVALHARNESS_TOKEN.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="TCP port to listen on.")] = 8378,
) -> None:
    """Serves a page on which people vote.

    It shows a problem and two answers, and, after the vote, the models' names, the sandbox's verdicts and the speeds.
    Needs the extra `serve`.
    """
    require_extra("serve", "arena serve")
    from evalharness.arena.service.config import ArenaConfig
    from evalharness.arena.service.server import serve as serve_arena
    from evalharness.util.http.address import TOKEN_VARIABLE

    config = ArenaConfig(
        runs=tuple(runs or ()),
        votes=votes,
        live=tuple(live or ()),
        task=task,
        data=data,
        options=opt.parse_key_values(option),
        uniform=uniform,
        recorded=recorded,
        host=host,
        port=port,
        token=os.environ.get(TOKEN_VARIABLE, ""),
    )
    serve_arena(config, log)
