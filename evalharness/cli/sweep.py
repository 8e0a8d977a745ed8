"""The command `sweep`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from evalharness.cli.arguments import parse_key_values, parse_numbers

app = typer.Typer(rich_markup_mode=None)


@app.command()
def sweep(
    task: Annotated[str, typer.Option("--task", help="Task or group names, separated by commas.")],
    backend: Annotated[str, typer.Option(help="A source of completions; see `evalharness backends`.")],
    option: Annotated[
        list[str],
        typer.Option("--option", help="key=v1,v2,...: each combination is run. temperature= and the like work too."),
    ],
    model: Annotated[str | None, typer.Option(help="Model id or path, for backends that have one.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N problems.")] = None,
    n: Annotated[int | None, typer.Option(help="Samples per problem. [default: the recipe's]")] = None,
    k: Annotated[str, typer.Option("--k", help="pass@k to report, such as 1,10.")] = "",
    temperature: Annotated[float | None, typer.Option(help="0 is greedy. [default: the recipe's]")] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus sampling. [default: the recipe's]")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="[default: the recipe's]")] = None,
    seed: Annotated[int, typer.Option(help="As of run.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Prompts per forward pass, for backends that batch.")] = 1,
    workers: Annotated[int | None, typer.Option(help="As of run.")] = None,
    data: Annotated[str | None, typer.Option(help="A data folder, hub, or sample.")] = None,
    sandbox: Annotated[str, typer.Option("--sandbox", help="docker, or bubblewrap.")] = "docker",
    tokenizer: Annotated[str | None, typer.Option(help="As of run.")] = None,
    engine: Annotated[str, typer.Option("--engine", help="local, or ray: on the nodes of a cluster.")] = "local",
    ray_address: Annotated[str | None, typer.Option("--ray-address", help="As of run.")] = None,
    replicas: Annotated[int | None, typer.Option("--replicas", help="As of run.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of all runs. [default: one in results/]")] = None,
) -> None:
    """Runs every combination of options with several values.

    `frontier` draws them as one curve.
    """
    from rich.console import Console

    from evalharness.cli import main as cli
    from evalharness.data.cards import expand
    from evalharness.pipeline.pipeline import RunConfig
    from evalharness.pipeline.progress import Shown
    from evalharness.pipeline.sweep import split_options
    from evalharness.pipeline.sweep import sweep as run_sweep
    from evalharness.report.summary_table import summary_table

    fixed, swept = split_options(parse_key_values(option))
    settings: dict[str, Any] = {
        "backend": backend, "model": model, "limit": limit, "n": n, "ks": parse_numbers("--k", k),
        "temperature": temperature, "top_p": top_p, "max_new_tokens": max_new_tokens, "seed": seed,
        "batch_size": batch_size, "workers": cli.workers_of(workers, engine),
        "data": data, "sandbox": sandbox,
        "tokenizer": tokenizer, "engine": engine, "ray_address": ray_address, "replicas": replicas, "options": fixed,
    }  # fmt: skip
    bases = [RunConfig(task=name, **settings) for name in expand(task)]
    folder = out or Path("results") / f"sweep_{bases[0].folder_name()}"
    try:
        done = run_sweep(bases, swept, folder, Shown(Console(stderr=True, soft_wrap=True)))
    except KeyboardInterrupt:
        cli.fail("interrupted; all finished rows are kept, and the same command resumes", cli.INTERRUPTED)
    named = [
        {**summary, "model": f"{summary['model'] or ''}\n{place.parent.name}".strip()}
        for place, summary in done.items()
    ]
    cli.print_wide(summary_table(named))
    print(f"written to {folder}; draw them with: evalharness frontier {folder} --out frontier.png")
    cli.require_verdicts(list(done.values()))
