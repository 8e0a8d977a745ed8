"""Carries out validated runs: generates completions, grades them, and writes the summary. Runs can be resumed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from evalharness.backends.reference import ReferenceBackend
from evalharness.backends.replay import ReplayBackend
from evalharness.data.cards import card_path_in_task_name
from evalharness.data.run_types import Environment, ManifestConfiguration, Summary
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.executors import Executor
from evalharness.pipeline.manifest import make_manifest_configuration, make_manifest_environment
from evalharness.pipeline.progress import Progress, SilentProgress
from evalharness.pipeline.resuming.same_run import read_resumable_manifest
from evalharness.pipeline.store import RunStore
from evalharness.pipeline.summary import summarize_run
from evalharness.pipeline.unanswered import generate_unless_refused
from evalharness.pipeline.validate import (
    ConfigAndFolder,
    PreparedRun,
    PreparedRuns,
    check_prompt_is_supported,
    validate_runs,
)
from evalharness.records import AdjustsOptions, Backend, Completion, KnowsChat, Request, Verdict
from evalharness.report.answer_remarks import abnormal_answer_warning
from evalharness.util.text import counted


def run(config: RunConfig, out: Path, progress: Progress | None = None) -> Summary:
    """Evaluates one task in the run directory `out`, or resumes the run; returns its summary.

    Raises UserError before any work if the configuration is not valid.
    """
    return run_all([(config, out)], progress or SilentProgress())[out]


def run_all(configs_and_folders: Sequence[ConfigAndFolder], progress: Progress) -> dict[Path, Summary]:
    """Evaluates one backend on several tasks, or resumes these runs; returns the summaries by run directory.

    `configs_and_folders` has a pair (configuration, run directory) for each run. The configurations may only differ in
    the task. Raises UserError before any work if a configuration is not valid.
    """
    return run_prepared(validate_runs(configs_and_folders, progress.note), progress)


def run_prepared(prepared: PreparedRuns, progress: Progress) -> dict[Path, Summary]:
    """Executes validated runs, or resumes them; returns the summaries by run directory, in the order of the runs."""
    with ExitStack() as stack:
        executor = stack.enter_context(closing(open_executor(prepared, progress)))
        for run in prepared.runs:
            check_prompt_is_supported(executor.backend, next(iter(run.prepared.problems.values())).prompt)
        for warning in dict.fromkeys(recipe_mismatch_warning(run, executor.backend) for run in prepared.runs):
            if warning:
                progress.note(warning)
        executor.sandbox.prepare(prepared.image_names)
        stores = open_run_stores(prepared, executor, stack)
        if isinstance(executor.backend, ReferenceBackend):
            progress.note(
                "backend reference: the official solutions, to check the harness itself; there is no model and no speed"
            )
        return {
            run.folder: execute_run(run, executor, store, progress)
            for run, store in zip(prepared.runs, stores, strict=True)
        }


def recipe_mismatch_warning(run: PreparedRun, backend: Backend) -> str:
    """Returns a warning if the task's prompts are text to continue, but the model expects chat messages; else "".

    Such a model may reply to the text instead of continuing it, which lowers its pass rate.
    """
    prepared, context = run.prepared, run.prepared.context
    prompt = next(iter(prepared.problems.values())).prompt
    reason = (
        backend.why_chat_is_expected() if isinstance(backend, KnowsChat) and context.recipe.kind == "completion" else ""
    )
    if prompt.messages or not reason:
        return ""
    recipes = context.card.recipes_of(context.entry)
    chat = next((name for name, recipe in recipes.items() if recipe.kind == "chat"), "")
    remedy = f"; --option recipe={chat} sends chat messages" if chat else ""
    return (
        f"warning: {prepared.task.name}: the recipe {context.recipe_name} sends text to continue, but {reason}{remedy}"
    )


def open_executor(prepared: PreparedRuns, progress: Progress) -> Executor:
    """Opens the executor (sandboxes and backend) of validated runs. Raises UserError if one is not available."""
    return prepared.executor_opener(
        prepared.config, prepared.backend_with_stored_completions, progress.note, bool(prepared.image_names)
    )


def open_run_stores(prepared: PreparedRuns, executor: Executor, stack: ExitStack) -> list[RunStore]:
    """Opens the run directories of validated runs for writing; `stack` closes them.

    Raises UserError, without creating any directory, if one contains another run.
    """
    workers = prepared.config.workers or executor.sandbox.workers
    environment = make_manifest_environment(workers, executor.sandbox, executor.copies)
    configurations = [manifest_configuration_of_run(run, executor) for run in prepared.runs]
    overwrite = prepared.config.overwrite
    for run, config in zip(prepared.runs, configurations, strict=True):
        if not overwrite:
            read_resumable_manifest(run.folder, config)
    return [
        stack.enter_context(
            closing(
                RunStore(
                    run.folder,
                    config,
                    add_input_file_paths(environment, run.prepared.config),
                    overwrite=overwrite,
                    ask_again=prepared.config.ask_again,
                )
            )
        )
        for run, config in zip(prepared.runs, configurations, strict=True)
    ]


def add_input_file_paths(environment: Environment, config: RunConfig) -> Environment:
    """Returns the environment for a manifest, with the paths of the user's task card (YAML) and samples file added."""
    extended: Environment = {**environment}
    if card_path_in_task_name(config.task):
        extended["card"] = config.task
    if config.backend == ReplayBackend.name:
        samples = config.options["samples"]
        extended["samples_file"] = "stdin" if samples == "-" else str(Path(samples).resolve())
    return extended


def manifest_configuration_of_run(run: PreparedRun, executor: Executor) -> ManifestConfiguration:
    """Returns the configuration that a run's manifest records: everything that can change a result."""
    prepared = run.prepared
    return make_manifest_configuration(
        prepared.context,
        executor.backend,
        prepared.config.model,
        prepared.sampling,
        executor.sandbox,
        run.sample_selection,
    )


def execute_run(run: PreparedRun, executor: Executor, store: RunStore, progress: Progress) -> Summary:
    """Executes one validated run, or resumes it; writes and returns its summary."""
    store.check_stored_samples_are_requested(run.keys)
    report_run_size(run, store, progress)
    store.record_resumption(run.keys)
    generate_and_grade(run, executor, store, progress)
    if adjusted := options_adjusted_by_backend(executor.backend):
        store.record_adjusted_options(adjusted)
        listed = ", ".join(f"{key}={value}" for key, value in adjusted.items())
        progress.note(
            f"the endpoint refused an option's value; this value is sent instead, and is in the manifest: {listed}"
        )
    summary = summarize_run(run.prepared, executor.backend, store.folder, len(run.requests))
    store.write_summary(summary)
    if warning := abnormal_answer_warning(summary):
        progress.note(warning)
    return summary


def options_adjusted_by_backend(backend: Backend) -> Mapping[str, str]:
    """Returns the options that the backend changed because the endpoint refused them, with the values now sent."""
    return backend.adjusted_options() if isinstance(backend, AdjustsOptions) else {}


def report_run_size(run: PreparedRun, store: RunStore, progress: Progress) -> None:
    """Reports to `progress` how many problems and samples a run has, and how many samples are already graded."""
    problems, samples = run.prepared.problems, len(run.requests)
    size = f"{counted(len(problems), 'problem')}, {counted(samples, 'sample')}"
    generates = run.prepared.config.backend not in (ReferenceBackend.name, ReplayBackend.name)
    limit = f", at most {run.prepared.sampling.max_new_tokens} new tokens each" if generates else ""
    progress.note(f"{run.prepared.task.name}: {size}{limit}, into {store.folder}")
    sampled_problems = len({request.problem.task_id for request in run.requests})
    if run.prepared.config.shard:
        shard_size = f"shard {run.prepared.config.shard}: {counted(sampled_problems, 'problem')}"
        progress.note(f"{shard_size}; `evalharness merge` joins the shards")
    elif sampled_problems < len(problems):
        progress.note(f"only {sampled_problems} of {len(problems)} problems have samples; pass rates are over those")
    if store.resumed:
        progress.note(f"resuming: {len(store.graded_keys)} of {samples} samples are graded already")


def generate_and_grade(run: PreparedRun, executor: Executor, store: RunStore, progress: Progress) -> None:
    """Generates the missing completions of a run and, at the same time, grades the completions without a verdict."""

    def store_and_report_verdict(verdict: Verdict) -> None:
        store.add_verdict(verdict)
        progress.graded(verdict)

    requests = run.requests
    graded_count = sum(request.key in store.graded_keys for request in requests)
    missing = [request for request in requests if request.key not in store.completed_keys]
    progress.start(len(requests), len(requests) - len(missing), graded_count)
    ungraded = (row for row in store.completions() if row.key in run.keys and row.key not in store.graded_keys)
    grader = executor.grader(run.prepared.task, run.prepared.problems, store_and_report_verdict)
    try:
        for completion in ungraded:
            grader.put(completion)
        for completion in _generate_missing_completions(run, executor, missing):
            if not completion.error:
                store.add_completion(completion)
            progress.generated(completion)
            grader.put(completion)
        grader.finish()
    except BaseException:
        grader.close()
        executor.sandbox.close()
        raise
    finally:
        grader.join()
        progress.stop()


def _generate_missing_completions(
    run: PreparedRun, executor: Executor, missing_requests: Sequence[Request]
) -> Iterator[Completion]:
    if missing_requests:
        any_answered = len(missing_requests) < len(run.requests)
        settle_failures = run.prepared.config.settle_failures
        yield from generate_unless_refused(
            executor.backend, missing_requests, run.prepared.sampling, any_answered, settle_failures
        )
