"""The commands `evalharness run` (generate and grade) and `evalharness grade` (grade existing samples)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalharness.cli import options as opt
from evalharness.cli.common import ExitCode, exit_if_verdicts_missing, exit_with_message
from evalharness.cli.dry_run import print_run_plans
from evalharness.cli.tables import print_table
from evalharness.errors import UserError
from evalharness.util.number_checks import check_at_least

if TYPE_CHECKING:
    from evalharness.data.run_types import Summary
    from evalharness.pipeline.config import RunConfig

INTERRUPTED = "interrupted; finished completions and verdicts are kept, and the same command resumes the run"


def run(
    task: opt.TaskOption,
    backend: opt.BackendOption = "reference",
    model: opt.ModelOption = None,
    limit: opt.LimitOption = None,
    only: opt.OnlyOption = "",
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
    shard: opt.ShardOption = None,
    executor: opt.ExecutorOption = "local",
    ray_address: opt.RayAddressOption = None,
    replicas: opt.ReplicasOption = None,
    out: opt.OutOption = None,
    overwrite: opt.OverwriteOption = False,
    settle_failures: opt.SettleFailuresOption = False,
    ask_again: opt.AskAgainOption = False,
    option: opt.KeyValueOptions = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the first prompts and the number of requests and tokens; run nothing. [default: no]",
        ),
    ] = False,
    price_in: opt.PriceInOption = None,
    price_out: opt.PriceOutOption = None,
) -> None:
    """Measures a model on tasks: pass@k and speed.

    Generates completions, runs them in the sandbox and prints a table of the results. An unfinished run is resumed.
    """
    from evalharness.pipeline.config import RunConfig

    config = RunConfig(
        task="",
        backend=backend,
        model=model,
        limit=limit,
        only=opt.parse_comma_separated_names(only),
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
        shard=shard,
        executor=executor,
        ray_address=ray_address,
        replicas=replicas,
        overwrite=overwrite,
        settle_failures=settle_failures,
        ask_again=ask_again,
        options=opt.parse_key_values(option),
    )
    prices = opt.parse_prices(price_in, price_out)
    if prices and not dry_run:
        raise UserError("--price-in and --price-out only work with --dry-run; add it, or leave them out")
    if dry_run:
        configs, alone = make_task_configs(task, config), is_single_task(task)
        print_run_plans(configs, out, alone, prices)
        return
    run_tasks(task, config, out)


def grade(
    task: opt.TaskOption,
    samples: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Samples file: per line a JSON object with task_id, and solution (a whole program), completion (text "
            "that continues the prompt) or answer (of a chat model; the recipe extracts the program). A run's "
            "completions.jsonl, results of EvalPlus, lm-eval (--log_samples) and bigcode-evaluation-harness are "
            "read, too; - reads standard input.",
        ),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the model in tables and reports. [default: none]")
    ] = None,
    k: opt.KsOption = "",
    workers: opt.WorkersOption = None,
    data: opt.DataOption = None,
    sandbox: opt.SandboxOption = "docker",
    shard: opt.ShardOption = None,
    executor: opt.ExecutorOption = "local",
    ray_address: opt.RayAddressOption = None,
    out: opt.OutOption = None,
    overwrite: opt.OverwriteOption = False,
    option: opt.KeyValueOptions = None,
) -> None:
    """Grades code samples that were generated elsewhere."""
    from evalharness.pipeline.config import RunConfig

    config = RunConfig(
        task="",
        backend="replay",
        model=model,
        ks=opt.parse_comma_separated_integers("--k", k),
        workers=choose_worker_count(workers, executor),
        data=data,
        sandbox=sandbox,
        shard=shard,
        executor=executor,
        ray_address=ray_address,
        overwrite=overwrite,
        options={**opt.parse_key_values(option), "samples": str(samples)},
    )
    run_tasks(task, config, out)


def run_tasks(task_names: str, shared_config: "RunConfig", out: Path | None) -> None:
    """Evaluates each task in the comma-separated list `task_names` with the shared settings, and prints the results.

    Exits with code 1 if samples have no verdict because the infrastructure failed.
    """
    from evalharness import api
    from evalharness.data.cards import task_groups

    configs, alone = make_task_configs(task_names, shared_config), is_single_task(task_names)
    try:
        runs = api.run_all(configs, out=out, alone=alone)
    except KeyboardInterrupt:
        exit_with_message(INTERRUPTED, ExitCode.INTERRUPTED)
    summaries = [run.summary for run in runs]
    print_summaries(
        summaries, task_group=task_names if task_names in task_groups() and len(runs) == len(configs) else None
    )
    for run in runs:
        print(f"written to {run.folder}")
    exit_if_verdicts_missing(summaries)


def make_task_configs(task_names: str, shared_config: "RunConfig") -> list["RunConfig"]:
    """Returns a configuration for each task in the comma-separated list `task_names`, with the shared settings."""
    from evalharness.data.cards import expand_task_names

    return [replace(shared_config, task=name) for name in expand_task_names(task_names)]


def is_single_task(task_names: str) -> bool:
    """Returns whether `task_names` names one task and no group of tasks; then the run needs no subfolder."""
    from evalharness.data.cards import expand_task_names, task_groups

    return len(expand_task_names(task_names)) == 1 and task_names not in task_groups()


def print_summaries(summaries: Sequence["Summary"], task_group: str | None = None) -> None:
    """Prints a table with the results of each run, and tables of pass rates by problem category.

    With `task_group`, the name of a group of tasks, the first table also has a row with the means of the rates.
    """
    from evalharness.report.summary_table import make_facet_tables, make_summary_table, make_table_remarks

    print_table(make_summary_table(summaries, task_group=task_group), keep_words_whole=True)
    for remark in make_table_remarks(summaries):
        print(remark)
    for table in make_facet_tables(summaries):
        print_table(table)


def choose_worker_count(requested_workers: int | None, executor_name: str = "local") -> int:
    """Returns the number of samples to grade at the same time: --workers, else the number of available CPU cores.

    The default on a cluster is 0: each node grades as many samples as it has cores. Raises UserError if --workers is
    below 1.
    """
    if requested_workers is not None:
        check_at_least(1, {"--workers": requested_workers})
        return requested_workers
    from evalharness.pipeline.config import default_worker_count

    return default_worker_count(executor_name)
