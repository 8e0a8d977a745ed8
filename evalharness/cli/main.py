"""The command line. Whatever a command does can be called from Python; here are only its words."""

import os
import select
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from evalharness import __version__
from evalharness.cli import bench, data, merge, report, results, sandbox, serve, sweep, train
from evalharness.cli.arguments import parse_key_values, parse_names, parse_numbers, show_help
from evalharness.errors import InfrastructureError, UserError
from evalharness.util.text import counted

app = typer.Typer(
    help="Measures code models: how often they are right and how fast they are.",
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(data.app, name="data")
app.add_typer(sweep.app)
app.add_typer(bench.app)
app.add_typer(results.app)
app.add_typer(merge.app)
app.add_typer(serve.app)

INTERRUPTED = 130
NOT_READ = 141
"""As a shell says of a command that the signal SIGPIPE ended."""

TaskOption = Annotated[str, typer.Option("--task", help="Task or group names, separated by commas.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(help="Samples graded at a time, each in a container of its own. [default: one for each core]"),
]
DataOption = Annotated[
    str | None, typer.Option(help="A data folder, hub, or sample. [default: $EVALHARNESS_DATA, hub]")
]
OutOption = Annotated[Path | None, typer.Option(help="The run directory; with several tasks, its parent.")]
KeyValues = Annotated[list[str] | None, typer.Option("--option", help="key=value for task, backend or sandbox.")]
SandboxOption = Annotated[str, typer.Option("--sandbox", help="docker, or bubblewrap where no engine is allowed.")]
TokenizerOption = Annotated[
    str | None, typer.Option("--tokenizer", help="Counts the output once more, alike for all models: a path or hub id.")
]
ShardOption = Annotated[
    str | None, typer.Option("--shard", help="i/n: the i-th of n disjoint shares, which `evalharness merge` joins.")
]
EngineOption = Annotated[str, typer.Option("--engine", help="local, or ray: on the nodes of a cluster.")]
RayAddressOption = Annotated[
    str | None, typer.Option("--ray-address", help="auto, or a cluster's address. [default: one on this machine alone]")
]
ReplicasOption = Annotated[
    int | None, typer.Option("--replicas", help="Engine ray: copies of the backend. [default: one for each GPU]")
]
KsOption = Annotated[str, typer.Option("--k", help="pass@k to report, such as 1,10. [default: all that n allows]")]


def print_version(asked: bool) -> None:
    """Prints the version and ends, where that is asked for."""
    if asked:
        print(__version__)
        raise typer.Exit()


VersionOption = Annotated[
    bool, typer.Option("--version", callback=print_version, is_eager=True, help="Prints the version.")
]


@app.callback()
def evalharness(context: typer.Context, version: VersionOption = False) -> None:
    """The help, where no command is named."""
    show_help(context)


def workers_of(given: int | None, engine: str = "local") -> int:
    """As many as asked for, else as there are cores that this process may use; 0 leaves it to a cluster's nodes."""
    if given is not None:
        if given < 1:
            raise UserError("--workers must be at least 1")
        return given
    return default_workers() if engine == "local" else 0


def default_workers() -> int:
    """As many as there are cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@app.command()
def run(
    task: TaskOption,
    backend: Annotated[str, typer.Option(help="A source of completions; see `evalharness backends`.")] = "reference",
    model: Annotated[str | None, typer.Option(help="Model id or path, for backends that have one.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N problems.")] = None,
    only: Annotated[str, typer.Option(help="Only the problems with these ids, separated by commas.")] = "",
    n: Annotated[int | None, typer.Option(help="Samples per problem. [default: the recipe's]")] = None,
    k: KsOption = "",
    temperature: Annotated[float | None, typer.Option(help="0 is greedy. [default: the recipe's]")] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus sampling. [default: the recipe's]")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="[default: the recipe's]")] = None,
    seed: Annotated[int, typer.Option(help="Decides every sampled token together with task and sample.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Prompts per forward pass, for backends that batch.")] = 1,
    workers: WorkersOption = None,
    data: DataOption = None,
    sandbox: SandboxOption = "docker",
    tokenizer: TokenizerOption = None,
    shard: ShardOption = None,
    engine: EngineOption = "local",
    ray_address: RayAddressOption = None,
    replicas: ReplicasOption = None,
    out: OutOption = None,
    option: KeyValues = None,
) -> None:
    """Prompts a model, runs its answers, tells pass@k and speed."""
    settings: dict[str, Any] = {
        "backend": backend,
        "model": model,
        "limit": limit,
        "only": parse_names(only),
        "n": n,
        "ks": parse_numbers("--k", k),
        "temperature": temperature,
        "top_p": top_p,
        "max_new_tokens": max_new_tokens,
        "seed": seed,
        "batch_size": batch_size,
        "workers": workers_of(workers, engine),
        "data": data,
        "sandbox": sandbox,
        "tokenizer": tokenizer,
        "shard": shard,
        "engine": engine,
        "ray_address": ray_address,
        "replicas": replicas,
        "options": parse_key_values(option or []),
    }
    run_tasks(task, settings, out)


@app.command()
def grade(
    task: TaskOption,
    samples: Annotated[Path, typer.Option(help="A .jsonl or .jsonl.gz file; see the README for its lines.")],
    model: Annotated[str | None, typer.Option(help="Whose samples they are; names the row of tables.")] = None,
    k: KsOption = "",
    workers: WorkersOption = None,
    data: DataOption = None,
    sandbox: SandboxOption = "docker",
    shard: ShardOption = None,
    engine: EngineOption = "local",
    ray_address: RayAddressOption = None,
    out: OutOption = None,
    option: KeyValues = None,
) -> None:
    """Grades samples that were made elsewhere."""
    options = {**parse_key_values(option or []), "samples": str(samples)}
    settings = {
        "backend": "replay",
        "model": model,
        "ks": parse_numbers("--k", k),
        "workers": workers_of(workers, engine),
        "data": data,
        "sandbox": sandbox,
        "shard": shard,
        "engine": engine,
        "ray_address": ray_address,
        "options": options,
    }
    run_tasks(task, settings, out)


def run_tasks(names: str, settings: dict[str, Any], out: Path | None) -> None:
    """Runs every task of `names` and prints one table. Exits 1 if the machine left samples without a verdict."""
    from evalharness.data.cards import expand, groups
    from evalharness.pipeline.pipeline import RunConfig, run_all
    from evalharness.pipeline.progress import Shown
    from evalharness.report.summary_table import facet_tables, summary_table

    progress = Shown(Console(stderr=True, soft_wrap=True))
    tasks = expand(names)
    configs = [RunConfig(task=name, **settings) for name in tasks]
    folders = [folder_of(config, out, alone=tasks == [names]) for config in configs]
    try:
        done = run_all(list(zip(configs, folders, strict=True)), progress)
    except KeyboardInterrupt:
        fail("interrupted; all finished rows are kept, and the same command resumes", INTERRUPTED)
    summaries = list(done.values())
    print_wide(summary_table(summaries, mean=names if names in groups() and len(done) == len(tasks) else None))
    for table in facet_tables(summaries):
        print_wide(table)
    for folder in done:
        print(f"written to {folder}")
    require_verdicts(summaries)


def require_verdicts(summaries: list[dict[str, Any]]) -> None:
    """Exits 1 if the machine left samples without a verdict."""
    missing = sum(summary["asked"] - summary["samples"] + _infrastructure(summary) for summary in summaries)
    if missing:
        example = next((f" ({summary['infrastructure']})" for summary in summaries if "infrastructure" in summary), "")
        without = f"{counted(missing, 'sample')} without a verdict"
        fail(f"{without}: the machine failed{example}; the same command tries again", 1)


def folder_of(config: Any, out: Path | None, alone: bool) -> Path:
    """The run directory: `out` itself for one task, else a folder in it; without `out`, one named by all settings."""
    if out is None:
        return Path("results") / str(config.folder_name())
    return out if alone else out / config.task


def _infrastructure(summary: dict[str, Any]) -> int:
    return int(summary["statuses"].get("infrastructure", 0))


@app.command()
def tasks() -> None:
    """Lists the tasks and groups, and what of them is at hand."""
    from evalharness.cli.task_table import TASK_HEADINGS, task_rows

    table = plain_table(*TASK_HEADINGS)
    for row in task_rows():
        table.add_row(*row)
    print_wide(table)
    print("Of several versions, recipes or splits the first is the default.")


@app.command()
def backends() -> None:
    """Lists the backends and their options."""
    from evalharness.backends import backend_names, find_backend, option_names

    table = plain_table("backend", "what it is", "options")
    for name in backend_names():
        backend = find_backend(name)
        module = sys.modules[backend.__module__].__doc__ or ""
        table.add_row(name, module.split("\n\n")[0].replace("\n", " "), ", ".join(sorted(option_names(backend))))
    print_wide(table)


@app.command()
def doctor() -> None:
    """Says what is missing on this machine, and how to get it."""
    from evalharness.cli.doctor import findings

    good = True
    for finding in findings():
        print(f"{'ok' if finding.good else 'MISSING' if finding.needed else 'note':<8}{finding.text}")
        good = good and (finding.good or not finding.needed)
    if not good:
        raise typer.Exit(2)


@app.command()
def version() -> None:
    """Prints the version."""
    print(__version__)


app.command()(report.report)
app.command()(train.train)


def plain_table(*headings: str) -> Table:
    """A table without a frame, whose long cells fold."""
    table = Table(show_edge=False, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def print_wide(table: Table) -> None:
    """Prints a table; where there is no terminal, as wide as it wants to be."""
    console = Printer()
    if not console.is_terminal:
        console = Printer(width=200)
    console.print(table)


class Printer(Console):
    """Leaves it to `main` to end where nobody reads any more."""

    def on_broken_pipe(self) -> None:
        raise


def fail(text: str, code: int) -> NoReturn:
    """Ends with one line on stderr."""
    print(text, file=sys.stderr)
    raise typer.Exit(code)


USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What typer raises for words that it does not understand, under the name that every version of it has."""


def main(arguments: list[str] | None = None) -> None:
    """The entry point. Errors that are the user's to mend end in one line and exit code 2."""

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one shall not disturb what the first one began
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        code = perform(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        if not nobody_reads():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes the rest as it ends
        code = NOT_READ
    sys.exit(code)


def perform(words: list[str]) -> int:
    """Does what the words of the command line say. The exit code, after one line on stderr if it is not 0."""
    command = typer.main.get_command(app)
    try:
        # Not called as a whole: what that makes of an interruption differs from one version of typer to the next.
        with command.make_context("evalharness", list(words)) as context:
            code = command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except USAGE_ERROR as error:
        print(f"error: {one_line(error.format_message()).rstrip('.')}; see --help", file=sys.stderr)
        return 2
    except UserError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except InfrastructureError as error:
        print(f"the machine failed: {one_line(str(error))}; the same command tries again", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def nobody_reads() -> bool:
    """Whether stdout is a pipe whose reader has gone, such as `head` when it has seen enough."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())
