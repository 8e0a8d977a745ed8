"""The command `evalharness bench`, which measures a backend's speed."""

from pathlib import Path
from typing import Annotated

import typer

from evalharness.cli import options as opt
from evalharness.cli.common import log
from evalharness.cli.tables import print_table


def bench(
    backend: opt.BackendOption,
    model: opt.ModelOption = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Task whose prompts are sent. [default: none; prompts are Python code to be continued]"
        ),
    ] = None,
    data: opt.DataOption = None,
    concurrency: Annotated[
        str,
        typer.Option(
            metavar="N,...",
            help="Concurrency levels to measure, separated by commas: concurrent requests to an endpoint, or batch "
            "sizes of a local model.",
        ),
    ] = "1",
    input_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Length of the prompts, without --task. [default: 1000]")
    ] = None,
    output_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Token limit of a completion. [default: 1000; with --task the value of the task's recipe]",
        ),
    ] = None,
    requests: Annotated[int, typer.Option(metavar="N", help="Measured requests per concurrency level.")] = 32,
    warmup: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Unmeasured requests that are sent before each concurrency level. [default: the level's concurrency]",
        ),
    ] = None,
    temperature: Annotated[float, typer.Option(metavar="T", help="Sampling temperature; 0 is greedy decoding.")] = 0.0,
    seed: opt.SeedOption = 0,
    tokenizer: opt.TokenizerOption = None,
    price_in: opt.PriceInOption = None,
    price_out: opt.PriceOutOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder to write. [default: a folder in results/ whose name identifies the configuration]",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="KEY=VALUE", help="Option of the task or backend; may be repeated. [default: none]"
        ),
    ] = None,
) -> None:
    """Measures the speed of a backend alone, without grading.

    Prompts are those of a task, or about 1,000 tokens of Python code. Each concurrency level has its own prompts.
    """
    from evalharness.bench.config import BenchConfig
    from evalharness.bench.runner import run_bench
    from evalharness.bench.tables import make_result_remarks, make_result_table

    config = BenchConfig(
        backend=backend,
        model=model,
        task=task,
        data=data,
        concurrency=opt.parse_comma_separated_integers("--concurrency", concurrency),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        requests=requests,
        warmup=warmup,
        temperature=temperature,
        seed=seed,
        tokenizer=tokenizer,
        prices=opt.parse_prices(price_in, price_out),
        options=opt.parse_key_values(option),
    )
    folder = out or Path("results") / config.default_folder_name()
    levels = run_bench(config, folder, log)
    print_table(make_result_table(levels))
    for line in make_result_remarks(levels):
        print(line)
    print(f"written to {folder}")
