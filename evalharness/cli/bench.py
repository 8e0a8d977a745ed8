"""The command `bench`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalharness.cli.arguments import parse_key_values, parse_numbers
from evalharness.errors import UserError
from evalharness.util.text import counted

if TYPE_CHECKING:
    from rich.table import Table

    from evalharness.bench.levels import Level

app = typer.Typer(rich_markup_mode=None)


@app.command()
def bench(
    backend: Annotated[str, typer.Option(help="A source of completions; see `evalharness backends`.")],
    model: Annotated[str | None, typer.Option(help="Model id or path, for backends that have one.")] = None,
    task: Annotated[
        str | None, typer.Option(help="Whose prompts to send. [default: real code to be continued]")
    ] = None,
    data: Annotated[str | None, typer.Option(help="The task's data: a folder, hub, or sample.")] = None,
    concurrency: Annotated[str, typer.Option(help="Requests at once, or batch sizes, such as 1,2,4,8.")] = "1",
    input_tokens: Annotated[int | None, typer.Option(help="Length of coding prompts. [default: 1000]")] = None,
    output_tokens: Annotated[int | None, typer.Option(help="The limit. [default: 1000, or the recipe's]")] = None,
    requests: Annotated[int, typer.Option(help="Measured requests at each concurrency.")] = 32,
    warmup: Annotated[int | None, typer.Option(help="Dropped requests before them. [default: concurrency]")] = None,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Decides sampled tokens.")] = 0,
    tokenizer: Annotated[
        str | None, typer.Option(help="Counts the output once more, alike for all models: a path or hub id.")
    ] = None,
    price_in: Annotated[float | None, typer.Option(help="Price per million prompt tokens.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Price per million output tokens.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write. [default: one in results/]")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", help="key=value for task or backend.")] = None,
) -> None:
    """Measures speed alone.

    Prompts are a task's, or code of about 1,000 tokens in and out.
    """
    from rich.console import Console

    from evalharness.bench.levels import BenchConfig
    from evalharness.bench.levels import bench as measure

    if (price_in is None) != (price_out is None):
        raise UserError("a cost needs both prices; give --price-in and --price-out")
    prices = None if price_in is None or price_out is None else (price_in, price_out)
    config = BenchConfig(
        backend, model, task, data, parse_numbers("--concurrency", concurrency), input_tokens, output_tokens, requests,
        warmup, temperature, seed, tokenizer, prices, parse_key_values(option or []),
    )  # fmt: skip
    folder = out or Path("results") / config.folder_name()
    levels = measure(config, folder, lambda text: print(text, file=sys.stderr))
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    console.print(level_table(levels))
    for line in remarks(levels):
        print(line)
    print(f"written to {folder}")


def level_table(levels: Sequence["Level"]) -> "Table":
    """One row per concurrency; what was not measured is a dash, and a column without a figure is left out."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    columns: dict[str, list[str]] = {
        "at once": [str(level.concurrency) for level in levels],
        "requests": [str(level.speed["requests"]) for level in levels],
        "tokens/s\nsteady": [_number(level.speed.get("steady", {}).get("output_tokens_per_s")) for level in levels],
        "tokens/s\nall": [_number(level.speed.get("output_tokens_per_s")) for level in levels],
        "per request\np50 tokens/s": [_number(level.speed.get("output_tokens_per_s_per_request")) for level in levels],
        "common\ntokens/s": [_number(level.speed.get("common_tokens_per_s")) for level in levels],
        "first output\np50/p90/p99 s": [_seconds(level.speed.get("first_output_s"), 2) for level in levels],
        "per token\np50/p90/p99 ms": [
            _seconds(level.speed.get("time_per_output_token_s"), 1, 1000) for level in levels
        ],
        "latency\np50/p90/p99 s": [_seconds(level.speed.get("latency_s"), 2) for level in levels],
        "tokens/\nforward": [_number(level.speed.get("tokens_per_forward"), 2) for level in levels],
        "prompt's\nshare": [_number(level.speed.get("prefill_share"), 2) for level in levels],
        "cost per\nproblem": [_number(level.cost_per_problem, 6) for level in levels],
    }
    kept = {name: cells for name, cells in columns.items() if any(cell != "-" for cell in cells)}
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for name in kept:
        table.add_column(name, justify="right", no_wrap=True)
    for row in zip(*kept.values(), strict=True):
        table.add_row(*row)
    return table


def remarks(levels: Sequence["Level"]) -> list[str]:
    """Lengths, warm-up, failures and what the figures hold for."""
    found = []
    for level in levels:
        parts = [f"at {level.concurrency}: {counted(level.speed['warmup_requests'], 'warm-up request')} dropped"]
        for what, held in (("prompt", level.prompt_tokens), ("output", level.output_tokens)):
            parts += [f"{what} tokens p50 {held['p50']:.0f}, p99 {held['p99']:.0f}"] if held else []
        parts.append(f"{level.at_limit} ended by the limit")
        parts += [f"{level.failed} FAILED, in no figure"] if level.failed else []
        parts += [f"{level.untimed} without a time, in no figure"] if level.untimed else []
        found.append("; ".join(parts))
    conditions = [level.speed.get("conditions", {}) for level in levels]
    shown = ", ".join(
        f"{key} {value}"
        for key, value in conditions[0].items()
        if key not in ("concurrency", "batch_size") and all(each.get(key) == value for each in conditions)
    )
    return [*found, f"measured on: {shown or 'hardware not stated'}"]


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _seconds(held: Mapping[str, Any] | None, digits: int, scale: float = 1.0) -> str:
    return "/".join(f"{scale * value:.{digits}f}" for value in held.values()) if held else "-"
