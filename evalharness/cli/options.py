"""Command-line options and arguments that several commands share, as typer types, and the parsing of their values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from evalharness.errors import UserError

TaskOption = Annotated[
    str,
    typer.Option(
        "--task",
        metavar="NAME,...",
        help="Names of tasks or task groups, separated by commas; `evalharness tasks` lists them.",
    ),
]
BackendOption = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="Source of the completions; `evalharness backends` lists them and their options.",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="ID|PATH", help="Model id or path, for backends that run a model. [default: none]"),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", help="Use only the first N problems of each task. [default: all problems]"),
]
OnlyOption = Annotated[
    str,
    typer.Option(
        "--only",
        metavar="ID,...",
        help="Use only the problems with these ids, separated by commas. [default: all problems]",
    ),
]
SamplesPerProblemOption = Annotated[
    int | None, typer.Option("--n", metavar="N", help="Samples per problem. [default: the value of the task's recipe]")
]
KsOption = Annotated[
    str,
    typer.Option(
        "--k",
        metavar="K,...",
        help="Values of k for which pass@k is reported, separated by commas. "
        "[default: those of 1, 5, 10 and 100 that are at most the samples per problem]",
    ),
]
TemperatureOption = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="T",
        help="Sampling temperature; 0 is greedy decoding. [default: the value of the task's recipe]",
    ),
]
TopPOption = Annotated[
    float | None,
    typer.Option(
        "--top-p",
        metavar="P",
        help="Nucleus sampling: sample from the most likely tokens that have this probability together. "
        "[default: the value of the task's recipe]",
    ),
]
MaxNewTokensOption = Annotated[
    int | None,
    typer.Option(
        "--max-new-tokens",
        metavar="N",
        help="Token limit of a completion. [default: the value of the task's recipe]",
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        help="Seed of random sampling; the random numbers of a sample depend on it, the problem's id and the sample's "
        "number.",
    ),
]
BatchSizeOption = Annotated[
    int, typer.Option("--batch-size", metavar="B", help="Prompts per forward pass, for backends that batch prompts.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Samples graded at a time, each in its own container. [default: one per CPU core]",
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIR|hub|sample",
        help="Source of the tasks' data: a folder, `hub` for the published data sets, or `sample` for a small bundled "
        "set. [default: the folder $EVALHARNESS_DATA if that is set, else hub]",
    ),
]
SandboxOption = Annotated[
    str,
    typer.Option(
        "--sandbox",
        metavar="NAME",
        help="What isolates untrusted programs: `docker`, or `bubblewrap` for machines without a container engine.",
    ),
]
HostOption = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="ADDRESS",
        help="Address to listen on. One that other machines can reach needs a token in $EVALHARNESS_TOKEN.",
    ),
]
PortOption = Annotated[int, typer.Option("--port", metavar="N", help="TCP port to listen on.")]
AllowedHostsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        help="Further host name by which clients may address the service, such as that of a proxy in front of it; may "
        "be repeated. [default: only loopback names, where only this machine can reach the service; else any]",
    ),
]
TokenizerOption = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        metavar="ID|PATH",
        help="Common tokenizer that counts every model's output a second time, for comparable tokens/s: a hub id or a "
        "path. [default: the bundled tokenizer]",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Run only the I-th of N disjoint parts of the problems; `evalharness merge` joins the parts' runs. "
        "[default: all problems]",
    ),
]
ExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor",
        metavar="NAME",
        help="Where the work is done: `local` for this machine, or `ray` for the nodes of a Ray cluster.",
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="With --executor ray: address HOST:PORT of the cluster, or `auto` for the cluster of this machine. "
        "[default: start a cluster on this machine]",
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        "--replicas",
        metavar="N",
        help="With --executor ray: copies of the backend. [default: one per GPU of the cluster, at least one]",
    ),
]
PriceInOption = Annotated[
    float | None,
    typer.Option(
        "--price-in",
        metavar="PRICE",
        help="Price of a million prompt tokens, for the cost. [default: no costs]",
    ),
]
PriceOutOption = Annotated[
    float | None,
    typer.Option(
        "--price-out",
        metavar="PRICE",
        help="Price of a million output tokens, for the cost. [default: no costs]",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Run directory to write or to resume; with several tasks, the folder of their run directories. "
        "[default: a folder in results/ whose name identifies the configuration]",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Delete the run that the run directory holds. [default: resume it]")
]
SettleFailuresOption = Annotated[
    bool,
    typer.Option(
        "--settle-failures",
        help="Complete the run: prompts for which the backend fails after all retries count as not solved, and the "
        "table names them. [default: they have no verdict, and the same command asks them again]",
    ),
]
AskAgainOption = Annotated[
    bool,
    typer.Option(
        "--ask-again",
        help="Ask prompts again that were refused, or counted as not solved by --settle-failures. "
        "[default: a resumed run does not]",
    ),
]
KeyValueOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="Option of the task, backend or sandbox; may be repeated. [default: none]",
    ),
]
RunsArgument = Annotated[
    list[Path],
    typer.Argument(metavar="RUN", help="Run directories, or folders that contain some.", show_default=False),
]


def parse_prices(
    price_per_million_prompt_tokens: float | None, price_per_million_output_tokens: float | None
) -> tuple[float, float] | None:
    """Returns the values of --price-in and --price-out; None without both. Raises UserError if only one is given."""
    if (price_per_million_prompt_tokens is None) != (price_per_million_output_tokens is None):
        raise UserError("the cost needs both prices; give --price-in and --price-out")
    return (
        None
        if price_per_million_prompt_tokens is None or price_per_million_output_tokens is None
        else (price_per_million_prompt_tokens, price_per_million_output_tokens)
    )


def parse_key_values(pairs: Sequence[str] | None) -> dict[str, str]:
    """Returns the texts KEY=VALUE of `--option` as a dictionary. Raises UserError for a text without `=` or key."""
    options = {}
    for pair in pairs or ():
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise UserError(f"--option {pair!r} is not key=value; write it such as --option version=v1.0")
        options[key.strip()] = value
    return options


def parse_comma_separated_names(text: str) -> tuple[str, ...]:
    """Returns the names in a comma-separated list, without duplicates."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def parse_comma_separated_integers(option_name: str, text: str) -> tuple[int, ...]:
    """Returns the integers in a list such as "1,10". Raises UserError, with the option's name, for other texts."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UserError(
            f"{option_name} {text!r} is not a list of numbers; give numbers separated by commas, such as 1,10"
        ) from None
