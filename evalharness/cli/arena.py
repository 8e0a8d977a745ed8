"""The commands `evalharness arena serve|report|judge|export|import`: votes that compare models' answers."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalharness.cli import options as opt
from evalharness.cli.common import ExitCode, exit_with_message, log, show_help
from evalharness.cli.run import choose_worker_count
from evalharness.errors import UserError
from evalharness.util.extras import require_extra
from evalharness.util.number_checks import check_at_least
from evalharness.util.text import counted

if TYPE_CHECKING:
    from evalharness.arena.store import VoteStore

app = typer.Typer(
    help="Compares models by blind votes of people.",
    callback=show_help,
    invoke_without_command=True,
)

VotesOption = Annotated[
    Path, typer.Option("--votes", metavar="DIR", help="Folder of the votes; it is created if it does not exist.")
]
ExistingVotesOption = Annotated[Path, typer.Option("--votes", metavar="DIR", help="Folder of the votes.")]
ProblemsOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIR|hub|sample",
        help="Source of the problems: a folder, `hub` or `sample`. [default: the folder $EVALHARNESS_DATA if that is "
        "set, else the runs' own source]",
    ),
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
            help="Model that generates its answers while people vote, beside those of the runs; may be repeated. "
            "[default: none]",
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            "--task", metavar="NAME", help="Task whose problems --live models answer. [default: those of the runs]"
        ),
    ] = "",
    data: ProblemsOption = None,
    option: opt.KeyValueOptions = None,
    with_sandbox: Annotated[
        bool, typer.Option("--with-sandbox", help="Grade live answers before they are shown. [default: off]")
    ] = False,
    sandbox: opt.SandboxOption = "docker",
    workers: opt.WorkersOption = None,
    uniform: Annotated[
        bool,
        typer.Option(
            "--uniform",
            help="Draw all pairs of models equally often. [default: more often those pairs whose votes narrow the "
            "confidence intervals most]",
        ),
    ] = False,
    recorded: Annotated[
        float,
        typer.Option(
            "--recorded",
            metavar="SHARE",
            help="Share of the pairs, from 0 to 1, whose answers are shown at the speed at which they were generated.",
        ),
    ] = 0.0,
    host: opt.HostOption = "127.0.0.1",
    port: opt.PortOption = 8378,
    allowed_host: opt.AllowedHostsOption = None,
) -> None:
    """Serves a web page on which people compare two answers.

    The page shows a problem and two answers. After the vote it shows the models' names, the sandbox's verdicts and the
    speeds. Needs the extra `serve`.
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
        sandbox=sandbox if with_sandbox else "",
        workers=choose_worker_count(workers),
        uniform=uniform,
        recorded=recorded,
        host=host,
        port=port,
        token=os.environ.get(TOKEN_VARIABLE, ""),
        allowed_hosts=tuple(allowed_host or ()),
    )
    serve_arena(config, log)


@app.command()
def report(
    votes: ExistingVotesOption,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the HTML page, the picture and the numbers. [default: none]"),
    ] = None,
) -> None:
    """Prints the models' strengths, computed from the votes.

    The strengths are those of a Bradley-Terry model, with 95 % intervals. Also prints the effects of position and
    latency, and how often votes on the same pair agree. Votes of people and of models as judges are reported
    separately.
    """
    from evalharness.arena.measurements import add_live_speeds, read_measurements
    from evalharness.arena.report.page import write_report
    from evalharness.arena.report.tables import make_section, mean_pass_at_1
    from evalharness.arena.report.text import format_report_as_markdown
    from evalharness.arena.statistics.summary import summarize_votes_of_people_and_judges

    store = open_existing_vote_store(votes)
    measurements = add_live_speeds(read_measurements(votes), store.votes())
    rates = {
        model: rate
        for model, model_measurements in measurements.items()
        if (rate := mean_pass_at_1(model_measurements)) is not None
    }
    groups = summarize_votes_of_people_and_judges(store.votes(), rates)
    if not groups:
        raise UserError(
            f"{votes} has no votes yet; start `evalharness arena serve` and vote, or import votes with "
            "`evalharness arena import`"
        )
    sections = [make_section(group, measurements) for group in groups]
    for line in format_report_as_markdown(sections):
        print(line)
    if out is not None:
        print(f"written; open {write_report(out, groups, sections, measurements)} in a browser")


@app.command()
def judge(
    runs: opt.RunsArgument,
    votes: VotesOption,
    backend: opt.BackendOption,
    model: opt.ModelOption = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Pairs to judge, each in both orders. [default: all pairs that are not judged]"),
    ] = None,
    data: ProblemsOption = None,
    option: opt.KeyValueOptions = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the order in which pairs are drawn.")] = 0,
) -> None:
    """Lets a model judge pairs of answers, and adds its votes.

    The model is asked about each pair in both orders. Its votes are marked as a model's, and reports show them
    separately from those of people.
    """
    from evalharness.arena.entrants import check_entrants_are_comparable, load_entrants
    from evalharness.arena.judge import judge_pairs
    from evalharness.arena.live import check_live_model_options
    from evalharness.arena.measurements import write_measurements
    from evalharness.arena.store import VoteStore
    from evalharness.pipeline.config import RunConfig, make_backend
    from evalharness.report.runs import load_runs

    check_at_least(1, {"--limit": limit})
    config = RunConfig(task="", backend=backend, model=model, options=opt.parse_key_values(option))
    check_live_model_options(config)
    entrants = load_entrants(load_runs(runs, log), data)
    check_entrants_are_comparable(entrants)
    store = VoteStore(votes)
    with closing(make_backend(config)) as judging:
        write_measurements(votes, entrants.measurements)
        result = judge_pairs(entrants, store, judging, model or backend, limit, seed)
    unclear = f"; {counted(result.unclear, 'answer')} without a choice" if result.unclear else ""
    print(f"{counted(result.votes, 'vote')} of the model added to {votes}{unclear}")
    if result.failed:
        exit_with_message(
            f"{counted(result.failed, 'request')} to the judge failed ({result.failure}); run the same command again",
            ExitCode.INFRASTRUCTURE,
        )


@app.command("export")
def export_votes(
    votes: ExistingVotesOption,
    out: Annotated[Path, typer.Option(metavar="FILE", help="CSV file to write.")],
) -> None:
    """Writes the votes of an arena to a CSV file."""
    from evalharness.arena import exchange

    print(f"{counted(exchange.export_votes(open_existing_vote_store(votes), out), 'vote')} written to {out}")


@app.command("import")
def import_votes(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV file of `arena export`, or of Copilot Arena.")],
    votes: VotesOption,
) -> None:
    """Adds votes from a CSV file to an arena.

    Reads what `arena export` writes, and the data that Copilot Arena published. A vote is never added twice.
    """
    from evalharness.arena import exchange
    from evalharness.arena.store import VoteStore

    exchange.read_votes(file)
    imported = exchange.import_votes(file, VoteStore(votes))
    remarks = [f"{imported.duplicates} were there already"] if imported.duplicates else []
    remarks += [f"{counted(imported.unusable, 'row')} without a choice left out"] if imported.unusable else []
    print("; ".join([f"{counted(imported.added, 'vote')} added to {votes}", *remarks]))


def open_existing_vote_store(votes_folder: Path) -> "VoteStore":
    """Opens the votes of an arena in `votes_folder`. Raises UserError if the folder has no votes."""
    from evalharness.arena.store import VOTES, VoteStore

    if not (votes_folder / VOTES).exists():
        raise UserError(f"{votes_folder} has no votes; give the folder that `evalharness arena serve --votes` writes")
    return VoteStore(votes_folder)
