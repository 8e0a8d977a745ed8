"""The command `evalharness serve`, an OpenAI-compatible model server."""

import os
from typing import Annotated

import typer

from evalharness.cli import options as opt
from evalharness.cli.common import ExitCode, log
from evalharness.cli.run import choose_worker_count
from evalharness.util.extras import require_extra


def serve(
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="How requests are decoded by default: ar, diffusion or transformers.")
    ] = "diffusion",
    model: opt.ModelOption = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on. One that other machines can reach needs a key; see --api-key-env.",
        ),
    ] = "127.0.0.1",
    port: opt.PortOption = 8378,
    allowed_host: opt.AllowedHostsOption = None,
    api_key_env: Annotated[
        str, typer.Option(metavar="NAME", help="Environment variable with the key that clients must send.")
    ] = "EVALHARNESS_API_KEY",
    max_concurrency: Annotated[
        int,
        typer.Option(
            metavar="N", help="Maximum number of completions that are generated at the same time, in one batch."
        ),
    ] = 8,
    queue: Annotated[
        int, typer.Option(metavar="N", help="Maximum number of waiting completions; further requests get status 429.")
    ] = 64,
    max_new_tokens: Annotated[int, typer.Option(metavar="N", help="Token limit for requests that state none.")] = 768,
    request_timeout: Annotated[
        float, typer.Option(metavar="S", help="Maximum duration of a request, in seconds.")
    ] = 600.0,
    read_timeout: Annotated[
        float, typer.Option(metavar="S", help="Maximum number of seconds that a client may take to send a request.")
    ] = 30.0,
    max_body_mb: Annotated[int, typer.Option(metavar="N", help="Size limit of a request, in MiB.")] = 8,
    drain: Annotated[
        float, typer.Option(metavar="S", help="Seconds after SIGTERM in which accepted requests are still answered.")
    ] = 30.0,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="Origin of a web page that may call the server; may be repeated. [default: none]"
        ),
    ] = None,
    with_sandbox: Annotated[
        bool, typer.Option("--with-sandbox", help="Let the playground run answers in the sandbox. [default: off]")
    ] = False,
    sandbox: opt.SandboxOption = "docker",
    workers: opt.WorkersOption = None,
    data: opt.DataOption = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="Option of the backend, as for `run`; may be repeated. A request can override decoding options. "
            "[default: none]",
        ),
    ] = None,
) -> None:
    """Serves a model over an OpenAI-compatible HTTP API.

    Serves a playground (a web page to try the model) at /. Needs the extra `serve`.
    """
    require_extra("serve", "serve")
    from evalharness.model_server.config import ServerConfig
    from evalharness.model_server.server import serve as run_server

    config = ServerConfig(
        backend=backend,
        model=model,
        options=opt.parse_key_values(option),
        host=host,
        port=port,
        key=os.environ.get(api_key_env, ""),
        key_variable=api_key_env,
        allowed_hosts=tuple(allowed_host or ()),
        concurrency=max_concurrency,
        queue=queue,
        max_new_tokens=max_new_tokens,
        request_s=request_timeout,
        body_bytes=max_body_mb << 20,
        bodies_bytes=16 * max_body_mb << 20,
        read_s=read_timeout,
        drain_s=drain,
        cors=tuple(cors_origin or ()),
        sandbox=sandbox if with_sandbox else "",
        workers=choose_worker_count(workers),
        data=data,
    )
    if not run_server(config, log):
        raise typer.Exit(ExitCode.INFRASTRUCTURE)
