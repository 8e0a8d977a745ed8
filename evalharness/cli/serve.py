"""The command `serve-sandbox`."""

import os
import sys
from typing import Annotated

import typer

from evalharness.cli.arguments import parse_key_values
from evalharness.errors import UserError

app = typer.Typer(rich_markup_mode=None)


@app.command("serve-sandbox")
def serve_sandbox(
    host: Annotated[str, typer.Option(help="Where to listen; beyond loopback $EVALHARNESS_TOKEN must be set.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Where to listen.")] = 8377,
    task: Annotated[str, typer.Option(help="Tasks to make ready at the start; others are on first use.")] = "",
    workers: Annotated[int | None, typer.Option(help="Samples judged at a time. [default: one for each core]")] = None,
    queue: Annotated[int, typer.Option(help="Samples waiting or in work; beyond that 503.")] = 1000,
    per_client: Annotated[int, typer.Option(help="The same of one address; beyond that 429.")] = 500,
    max_body_mb: Annotated[int, typer.Option(help="The longest submission.")] = 16,
    read_timeout: Annotated[float, typer.Option(help="Seconds that a client may take to send its request.")] = 30.0,
    drain: Annotated[float, typer.Option(help="Seconds to finish accepted samples in after SIGTERM.")] = 60.0,
    data: Annotated[str | None, typer.Option(help="A data folder, hub, or sample.")] = None,
    sandbox: Annotated[str, typer.Option("--sandbox", help="docker, or bubblewrap.")] = "docker",
    option: Annotated[list[str] | None, typer.Option("--option", help="key=value for the sandbox.")] = None,
) -> None:
    """Grades over HTTP.

    POST /v1/verdicts with a task and samples answers with their verdicts.
    """
    from evalharness.cli import main as cli
    from evalharness.data.cards import expand
    from evalharness.grading_service.serving import serve
    from evalharness.grading_service.settings import TOKEN, ServiceConfig
    from evalharness.pipeline.pipeline import sandbox_options

    options = parse_key_values(option or [])
    if unknown := set(options) - set(sandbox_options(options)):
        raise UserError(f"option {min(unknown)} is none of the sandbox's; submissions name their tasks' options")
    config = ServiceConfig(
        host, port, os.environ.get(TOKEN, ""), tuple(expand(task)) if task else (), cli.workers_of(workers),
        queue, per_client, max_body_mb << 20, 16 * max_body_mb << 20, read_timeout, drain, data, sandbox, options,
    )  # fmt: skip
    if not serve(config, lambda text: print(text, file=sys.stderr, flush=True)):
        raise typer.Exit(1)
