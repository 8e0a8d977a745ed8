"""The command `evalharness sweep`, which runs every combination of option values."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from evalharness.cli import options as opt
from evalharness.cli.common import ExitCode, exit_if_verdicts_missing, exit_with_message
from evalharness.cli.run import INTERRUPTED, choose_worker_count
from evalharness.cli.tables import print_table
from evalharness.data.run_types import Summary
from evalharness.util.visible import unwrap_stream


def sweep(
    task: opt.TaskOption,
    backend: opt.BackendOption,
    option: Annotated[
        list[str],
        typer.Option(
            "--option",
            metavar="KEY=V1,V2,...",
            help="Option of the task, backend or sandbox; may be repeated. Every combination of values is run. "
            "temperature, top_p, max_new_tokens, batch_size and seed may be given here, too.",
        ),
    ],
    model: opt.ModelOption = None,
    limit: opt.LimitOption = None,
    n: opt.SamplesPerProblemOption = None,
    k: opt.KsOption = "",
    temperature: opt.TemperatureOption = None,
    top_p: opt.TopPOption = None,
    max_new_tokens: opt.MaxNewTokensOption = None,
    seed: opt.SeedOption = 0,
    batch_size: opt.BatchSizeOption = 1,
    workers: opt.WorkersOption = None,
    data: opt.DataOption = None,
    sandbox: opt.SandboxOption = "docker",
    tokenizer: opt.TokenizerOption = None,
    executor: opt.ExecutorOption = "local",
    ray_address: opt.RayAddressOption = None,
    replicas: opt.ReplicasOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the runs, one per combination and task. "
            "[default: a folder in results/ whose name identifies the configuration]",
        ),
    ] = None,
    overwrite: opt.OverwriteOption = False,
    settle_failures: opt.SettleFailuresOption = False,
    ask_again: opt.AskAgainOption = False,
) -> None:
    """Runs every combination of several option values.

    `evalharness frontier` draws the runs as one curve.
    """
    from evalharness.data.cards import expand_task_names
    from evalharness.pipeline.config import RunConfig
    from evalharness.pipeline.progress import ConsoleProgress
    from evalharness.pipeline.sweep import separate_fixed_and_swept_options
    from evalharness.pipeline.sweep import sweep as run_sweep
    from evalharness.report.summary_table import make_summary_table, make_table_remarks

    fixed, swept = separate_fixed_and_swept_options(opt.parse_key_values(option))
    bases = [
        RunConfig(
            task=name,
            backend=backend,
            model=model,
            limit=limit,
            n=n,
            ks=opt.parse_comma_separated_integers("--k", k),
            temperature=temperature,
            top_p=top_p,
            max_new_tokens=max_new_tokens,
            seed=seed,
            batch_size=batch_size,
            workers=choose_worker_count(workers, executor),
            data=data,
            sandbox=sandbox,
            tokenizer=tokenizer,
            executor=executor,
            ray_address=ray_address,
            replicas=replicas,
            overwrite=overwrite,
            settle_failures=settle_failures,
            ask_again=ask_again,
            options=fixed,
        )
        for name in expand_task_names(task)
    ]
    folder = out or Path("results") / f"sweep_{bases[0].default_folder_name()}"
    try:
        done = run_sweep(bases, swept, folder, ConsoleProgress(Console(file=unwrap_stream(sys.stderr), soft_wrap=True)))
    except KeyboardInterrupt:
        exit_with_message(INTERRUPTED, ExitCode.INTERRUPTED)
    rows = [_append_option_values_to_model_name(summary, path) for path, summary in done.items()]
    print_table(make_summary_table(rows), keep_words_whole=True)
    for remark in make_table_remarks(
        [{**summary, "task": str(path.relative_to(folder))} for path, summary in done.items()]
    ):
        print(remark)
    print(f"written to {folder}; draw the runs with: evalharness frontier {folder} --out frontier.png")
    exit_if_verdicts_missing(list(done.values()))


def _append_option_values_to_model_name(summary: Summary, run_folder: Path) -> Summary:
    """Returns a summary whose model name is followed by a line with the run's option values, such as threshold=0.9.

    The parent folder of `run_folder` has these values as its name.
    """
    return {**summary, "model": f"{summary['model'] or ''}\n{run_folder.parent.name}".strip()}
