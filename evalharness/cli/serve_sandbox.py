"""The command `evalharness serve-sandbox`, an HTTP service that grades samples."""

import os
from typing import Annotated

import typer

from evalharness.cli import options as opt
from evalharness.cli.common import ExitCode, log
from evalharness.cli.run import choose_worker_count
from evalharness.errors import UserError
from evalharness.util.extras import require_extra


def serve_sandbox(
    host: opt.HostOption = "127.0.0.1",
    port: opt.PortOption = 8377,
    allowed_host: opt.AllowedHostsOption = None,
    task: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="Tasks or task groups to load at the start, separated by commas; others are loaded on first use. "
            "[default: none]",
        ),
    ] = "",
    workers: opt.WorkersOption = None,
    queue: Annotated[
        int,
        typer.Option(
            metavar="N", help="Maximum number of samples waiting or running; further submissions get status 503."
        ),
    ] = 1000,
    per_client: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Maximum number of samples waiting or running per client address; further submissions get status 429.",
        ),
    ] = 500,
    max_body_mb: Annotated[int, typer.Option(metavar="N", help="Size limit of a submission, in MiB.")] = 16,
    read_timeout: Annotated[
        float, typer.Option(metavar="S", help="Maximum number of seconds that a client may take to send a request.")
    ] = 30.0,
    drain: Annotated[
        float, typer.Option(metavar="S", help="Seconds after SIGTERM in which accepted samples are still graded.")
    ] = 60.0,
    data: opt.DataOption = None,
    sandbox: opt.SandboxOption = "docker",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="Option of the sandbox; may be repeated. [default: none]"),
    ] = None,
) -> None:
    """Serves an HTTP API that grades samples.

    POST /v1/verdicts takes a task and samples and returns their verdicts. Needs the extra `serve`.
    """
    require_extra("serve", "serve-sandbox")
    from evalharness.data.cards import expand_task_names
    from evalharness.grading_service.config import ServiceConfig
    from evalharness.grading_service.server import serve
    from evalharness.sandbox.factory import OPTIONS as SANDBOX_OPTIONS
    from evalharness.util.http.address import TOKEN_VARIABLE

    options = opt.parse_key_values(option)
    if unknown := set(options) - set(SANDBOX_OPTIONS):
        raise UserError(
            f"--option {min(unknown)} is not an option of the sandbox; use one of {', '.join(SANDBOX_OPTIONS)}; "
            "send options of tasks with each request"
        )
    config = ServiceConfig(
        host=host,
        port=port,
        token=os.environ.get(TOKEN_VARIABLE, ""),
        allowed_hosts=tuple(allowed_host or ()),
        tasks=tuple(expand_task_names(task)) if task else (),
        workers=choose_worker_count(workers),
        queue=queue,
        per_client=per_client,
        body_bytes=max_body_mb << 20,
        bodies_bytes=16 * max_body_mb << 20,
        read_s=read_timeout,
        drain_s=drain,
        data=data,
        sandbox=sandbox,
        options=options,
    )
    if not serve(config, log):
        raise typer.Exit(ExitCode.INFRASTRUCTURE)
