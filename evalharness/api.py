"""The public Python API of evalharness, on which the command line is built.

    import evalharness as eh

    run = eh.run("humaneval", backend="ar", data="sample")
    print(run.summary["metrics"]["pass@1"])
    run.to_pandas()

Every function raises `UserError` where the caller must change something, with one line that says what to do, and
`InfrastructureError` where the machine failed. A KeyboardInterrupt passes through; finished completions and verdicts
are kept, and the same call resumes.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from evalharness.data.cards import card_path_in_task_name, expand_task_names, task_name_without_card_file
from evalharness.data.runs import Run, load_run
from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig, default_worker_count
from evalharness.pipeline.progress import ConsoleProgress, Progress, SilentProgress
from evalharness.util.suggest import unknown_name_message
from evalharness.util.visible import unwrap_stream

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.report.compare.comparison import Comparison
    from evalharness.report.frontier.points import Panel

PathLike = str | Path


class RunSettings(TypedDict, total=False):
    """Optional settings of `run` and `grade`; `RunConfig` describes each.

    A sampling setting that is omitted has the value in the task's recipe (the task's prompt format and settings).
    """

    limit: int | None
    only: Sequence[str]
    n: int | None
    ks: Sequence[int]
    temperature: float | None
    top_p: float | None
    max_new_tokens: int | None
    seed: int
    batch_size: int
    workers: int | None
    """None for one worker per core."""
    data: str | None
    sandbox: str
    tokenizer: str | None
    shard: str | None
    executor: str
    ray_address: str | None
    replicas: int | None
    overwrite: bool
    settle_failures: bool
    ask_again: bool


def run(
    task: str,
    backend: str = "reference",
    model: str | None = None,
    *,
    out: PathLike | None = None,
    options: Mapping[str, object] | None = None,
    progress: bool | Progress = True,
    **settings: Unpack[RunSettings],
) -> Run:
    """Evaluates a model on one task (a benchmark), or resumes an unfinished run, and returns the finished run.

    `out` is the run directory; by default one in `results/` whose name depends on the configuration. `options` are the
    `--option key=value` pairs of task, backend and sandbox. `settings` are those of `RunSettings`. `progress`: whether
    to show bars and notes on stderr, or an object that receives them. Raises UserError before any work if the
    configuration is not valid.
    """
    config = _make_run_config(task, backend, model, options, dict(settings))
    runs = run_all([config], out=out, progress=progress, alone=True)
    return runs[0]


def grade(
    task: str,
    samples: PathLike,
    model: str | None = None,
    *,
    out: PathLike | None = None,
    options: Mapping[str, object] | None = None,
    progress: bool | Progress = True,
    **settings: Unpack[RunSettings],
) -> Run:
    """Grades code samples that were generated elsewhere, and returns the finished run.

    `samples` is a .jsonl or .jsonl.gz file: per line a JSON object with `task_id` and `solution` (a whole program) or
    `completion` (text that continues the prompt). `model` is the model's name in tables. The rest is as for `run`.
    """
    return run(
        task,
        "replay",
        model,
        out=out,
        options={**(options or {}), "samples": samples},
        progress=progress,
        **settings,
    )


def run_all(
    configs: Sequence[RunConfig],
    *,
    out: PathLike | None = None,
    progress: bool | Progress = True,
    alone: bool = False,
) -> list[Run]:
    """Evaluates one backend on several tasks, or resumes these runs, and returns the finished runs.

    The configurations may only differ in the task. Each run has a folder below `out` with the name of its task; with
    `alone`, for a single configuration, `out` itself is the run directory. If there are several tasks, those without
    bundled sample data are omitted with `data="sample"`, and those without official solutions with the backend
    `reference`.
    """
    from evalharness.pipeline.run import run_all as run_jobs

    folders = [choose_run_folder(config, out, is_single_run=alone) for config in configs]
    done = run_jobs(list(zip(configs, folders, strict=True)), _make_progress_display(progress))
    return [load_run(folder) for folder in done]


def choose_run_folder(config: RunConfig, out: PathLike | None, *, is_single_run: bool) -> Path:
    """Returns the directory that a run is written to: `out` itself if `is_single_run`, else the folder `out`/TASK.

    Without `out`, the directory is a folder in `results/` whose name depends on the configuration.
    """
    if out is None:
        return Path("results") / config.default_folder_name()
    return Path(out) if is_single_run else Path(out) / task_name_without_card_file(config.task)


def compare(first: PathLike | Run, second: PathLike | Run) -> "Comparison":
    """Returns how two runs of one task differ in pass rates and speed, with 95 % intervals, and problem by problem.

    Raises UserError if the runs cannot be compared, such as runs of different tasks.
    """
    from evalharness.report.compare.comparison import compare_runs_by_task

    comparisons = compare_runs_by_task([_load_run_if_path(first)], [_load_run_if_path(second)])
    if len(comparisons) != 1:
        raise UserError("the two paths contain runs of different tasks or of several tasks; give two runs of one task")
    return comparisons[0]


def frontier(
    runs: Sequence[PathLike | Run],
    *,
    out: PathLike | None = None,
    metric: str = "pass@1",
    speed: str = "",
    published: str = "",
) -> "list[Panel]":
    """Returns the plot of pass rate against tokens/s: a panel per task, with a point per run and the Pareto frontier.

    `out` is a file (.png, .svg, .pdf or .html) to draw the plot into. `metric` is the pass rate, such as pass@10.
    `speed` is the kind of tokens/s: `aggregate` over the run, `steady` at constant concurrency, `request` for one
    request, or `common` with one tokenizer for all models; the default is `request` if `published` is given, since
    published speeds are of one request, else `aggregate`. `published` names sets of results in `results/published` to
    add as points, separated by commas, or is `all`.
    """
    from evalharness.report.frontier.picture import write_frontier_plot
    from evalharness.report.frontier.points import make_frontier_panels
    from evalharness.report.published import load_published_results
    from evalharness.report.run_metrics import resolve_speed_kind

    kind = resolve_speed_kind(speed, bool(published))
    loaded_runs = _load_runs_if_paths(runs)
    drawn = make_frontier_panels(loaded_runs, load_published_results(published), metric, kind, _discard_note)
    if out is not None:
        write_frontier_plot(drawn, Path(out), metric, kind, bool(published))
    return drawn


def leaderboard(runs: Sequence[PathLike | Run], *, metric: str = "pass@1") -> "pd.DataFrame":
    """Returns a table with one row per run: model, backend, task, pass rate with 95 % interval, tokens/s, size.

    The size is the number of problems and of samples. `metric` is the pass rate, such as pass@10.
    """
    import pandas as pd

    rows = []
    for record in _load_runs_if_paths(runs):
        summary = record.summary
        rate = summary["metrics"].get(metric)
        rows.append(
            {
                "model": summary["model"],
                "backend": summary["backend"],
                "task": summary["task"],
                metric: rate["value"] if rate else None,
                "ci95_low": rate["ci95"][0] if rate else None,
                "ci95_high": rate["ci95"][1] if rate else None,
                "tokens_per_s": summary["speed"].get("output_tokens_per_s"),
                "problems": summary["problems"],
                "samples": summary["samples"],
                "folder": str(record.folder),
            }
        )
    return pd.DataFrame(rows)


def _make_run_config(
    task: str,
    backend: str,
    model: str | None,
    options: Mapping[str, object] | None,
    settings: dict[str, Any],
) -> RunConfig:
    """Returns the configuration of a run from the arguments of `run`. Raises UserError for an unknown setting."""
    unknown = sorted(set(settings) - set(RunSettings.__annotations__))
    if unknown:
        raise UserError(unknown_name_message("keyword argument", unknown[0], sorted(RunSettings.__annotations__)))
    texts = {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in (options or {}).items()
    }
    settings = {key: tuple(value) if key in ("ks", "only") else value for key, value in settings.items()}
    workers = settings.pop("workers", None)
    if workers is None:
        workers = default_worker_count(settings.get("executor", "local"))
    if card_path_in_task_name(task):
        [task] = expand_task_names(task)
    return RunConfig(task=task, backend=backend, model=model, options=texts, workers=workers, **settings)


def _make_progress_display(progress: bool | Progress) -> Progress:
    if isinstance(progress, bool):
        from rich.console import Console

        return (
            ConsoleProgress(Console(file=unwrap_stream(sys.stderr), soft_wrap=True)) if progress else SilentProgress()
        )
    return progress


def _load_run_if_path(path_or_run: PathLike | Run) -> Run:
    return path_or_run if isinstance(path_or_run, Run) else load_run(path_or_run)


def _load_runs_if_paths(paths_and_runs: Sequence[PathLike | Run]) -> list[Run]:
    """Returns all runs; loads those given as paths. A path is a run directory, or a folder with several of them."""
    from evalharness.report.runs import load_runs

    return [
        loaded_run
        for path_or_run in paths_and_runs
        for loaded_run in (
            [path_or_run] if isinstance(path_or_run, Run) else load_runs([Path(path_or_run)], _discard_note)
        )
    ]


def _discard_note(text: str) -> None:
    """Does nothing: the Python API does not print the notes that the command line prints."""
