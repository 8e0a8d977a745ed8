"""The validation stage: refuses mistakes in a configuration before a container engine, model or folder is used.

What depends on the model, such as whether its tokenizer has sentinel tokens for infilling, is checked as soon as the
model is loaded.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from evalharness.adapters import TaskContext, open_task
from evalharness.backends import find_backend, parse_options
from evalharness.backends.reference import ReferenceBackend
from evalharness.backends.replay import ReplayBackend
from evalharness.data.cards import Recipe
from evalharness.data.run_types import SampleSelection
from evalharness.data.sources import parse_data_source
from evalharness.errors import NoBundledDataSample, UserError
from evalharness.metrics.tokenizing import CommonTokenizer, load_common_tokenizer
from evalharness.pipeline.config import RunConfig, make_backend
from evalharness.pipeline.executors import ExecutorOpener, find_executor_opener
from evalharness.pipeline.problem_filter import select_problems
from evalharness.pipeline.resuming.folders import check_multi_task_folder, check_overwritable
from evalharness.pipeline.resuming.same_run import read_resumable_manifest
from evalharness.pipeline.shard import parse_shard
from evalharness.records import Backend, Problem, Prompt, Request, Sampling, Task, find_prompt_check
from evalharness.sandbox.factory import parse_sandbox_options
from evalharness.util.files import check_writable
from evalharness.util.number_checks import check_at_least
from evalharness.util.sample_key_set import SampleKeySet
from evalharness.util.version import __version__

ConfigAndFolder = tuple[RunConfig, Path]
"""A run's configuration, and its run directory."""
Log = Callable[[str], None]


class OpenedTask(NamedTuple):
    """A task (benchmark) whose data have been read."""

    task: Task
    context: TaskContext
    problems: tuple[Problem, ...]
    """All problems, in the task's order."""


OpenedTasks = dict[tuple[object, ...], OpenedTask]
"""Tasks whose data are read, by name, data source and options."""


@dataclass(frozen=True)
class PreparedTask:
    """A task (benchmark) whose data have been read and whose settings have been checked."""

    config: RunConfig
    task: Task
    context: TaskContext
    problems: Mapping[str, Problem]
    """The problems of the run by id, in the task's order."""
    problems_of_task: int
    """The number of problems before --limit and --only."""
    n: int
    sampling: Sampling
    tokenizer: CommonTokenizer | None
    """The tokenizer that counts the output of all models alike; None if there is none."""


@dataclass(frozen=True)
class PreparedRun:
    """A run whose configuration has passed all checks that need neither the sandbox nor the model."""

    folder: Path
    prepared: PreparedTask
    requests: tuple[Request, ...]
    """The requests for all samples of the run; with --shard, only for those of the shard (a part of the problems)."""
    sample_selection: SampleSelection
    keys: SampleKeySet
    """The keys of the requests."""


@dataclass(frozen=True)
class PreparedRuns:
    """Validated runs of several tasks with one backend; their configurations only differ in the task."""

    config: RunConfig
    runs: tuple[PreparedRun, ...]
    executor_opener: ExecutorOpener
    backend_with_stored_completions: Backend | None
    """The backend whose completions exist already (`reference`, `replay`); None where a model generates them."""

    @property
    def image_names(self) -> list[str]:
        """The names of the sandbox images that the tasks of the runs need."""
        return sorted({run.prepared.context.image for run in self.runs if run.prepared.context.image})


def validate_runs(
    configs_and_folders: Sequence[ConfigAndFolder], log: Log, opened_tasks: OpenedTasks | None = None
) -> PreparedRuns:
    """Returns the validated runs of several tasks with one backend. Raises UserError if a configuration is not valid.

    `configs_and_folders` has a pair (configuration, run directory) for each run. If there are several tasks, those
    without bundled sample data are omitted with `--data sample`, and those without official solutions with the backend
    `reference`; `log` is called with the names of omitted tasks. Several calls with the same `opened_tasks` read each
    task's data only once. The caller closes the `backend_with_stored_completions` of the result.
    """
    config = configs_and_folders[0][0]
    sandbox_options = config.sandbox_options()
    executor_opener = find_executor_opener(config.executor)
    parse_sandbox_options(config.sandbox, sandbox_options)
    backend_with_stored_completions = check_backend_and_open_stored_completions(config)
    try:
        tasks = prepare_tasks(configs_and_folders, log, {} if opened_tasks is None else opened_tasks)
        if isinstance(backend_with_stored_completions, ReferenceBackend):
            tasks = select_tasks_with_official_solutions(tasks, log)
        runs = tuple(_prepare_run(task, folder, backend_with_stored_completions) for task, folder in tasks)
        check_parent_folder_of_runs(runs)
        for run in runs:
            check_run_folder(run)
    except BaseException:
        if backend_with_stored_completions:
            backend_with_stored_completions.close()
        raise
    return PreparedRuns(config, runs, executor_opener, backend_with_stored_completions)


def prepare_task(config: RunConfig, opened_tasks: OpenedTasks | None = None) -> PreparedTask:
    """Returns the task of a configuration with its data and its checked settings.

    The data are taken from `opened_tasks` if they have been read before, and otherwise read and added to it. Raises
    UserError for invalid settings.
    """
    tokenizer = load_common_tokenizer(config.tokenizer)
    options = config.task_options()
    key = (config.task, config.data, tuple(sorted(options.items())))
    opened_tasks = {} if opened_tasks is None else opened_tasks
    if key not in opened_tasks:
        task, context = open_task(config.task, parse_data_source(config.data), options)
        opened_tasks[key] = OpenedTask(task, context, tuple(task.problems()))
    task, context, all_problems = opened_tasks[key]
    recipe = context.recipe
    sampling = Sampling(
        recipe.temperature if config.temperature is None else config.temperature,
        recipe.top_p if config.top_p is None else config.top_p,
        recipe.max_new_tokens if config.max_new_tokens is None else config.max_new_tokens,
        config.seed,
    )
    n = choose_samples_per_problem(config, recipe)
    check_numeric_settings(config, n, sampling)
    problems = select_problems(all_problems, config.limit, config.only, config.task)
    if not problems:
        raise UserError(f"no problem of the task {config.task} is selected; change --option split=, start= or end=")
    return PreparedTask(config, task, context, problems, len(all_problems), n, sampling, tokenizer)


def prepare_tasks(
    configs_and_folders: Sequence[ConfigAndFolder], log: Log, opened_tasks: OpenedTasks
) -> list[tuple[PreparedTask, Path]]:
    """Returns a pair (prepared task, run directory) for each configuration.

    If there are several tasks, those without bundled sample data are omitted with `--data sample`, and `log` is called
    with their names. Raises UserError if a task cannot be prepared, or if no task is left.
    """
    prepared, without_sample = [], []
    for config, folder in configs_and_folders:
        try:
            prepared.append((prepare_task(config, opened_tasks), folder))
        except NoBundledDataSample:
            if len(configs_and_folders) == 1:
                raise
            without_sample.append(config.task)
    if not prepared:
        names = ", ".join(without_sample)
        raise NoBundledDataSample(f"no sample data are bundled for {names}; use --data DIR or --data hub")
    if without_sample:
        log(f"tasks omitted, since no sample data are bundled for them: {', '.join(without_sample)}")
    return prepared


def select_tasks_with_official_solutions(
    tasks: Sequence[tuple[PreparedTask, Path]], log: Log
) -> list[tuple[PreparedTask, Path]]:
    """Returns the tasks that have official solutions; calls `log` with the names of those that have none.

    Raises UserError if no task has official solutions.
    """
    has_all_solutions = {
        task.task.name: all(problem.reference is not None for problem in task.problems.values()) for task, _ in tasks
    }
    omitted = ", ".join(name for name, has_solutions in has_all_solutions.items() if not has_solutions)
    if not any(has_all_solutions.values()):
        raise UserError(f"no official solutions were published for {omitted}; use --data sample, or another --backend")
    if omitted:
        log(f"tasks omitted, since no official solutions were published for them: {omitted}")
    return [(task, folder) for task, folder in tasks if has_all_solutions[task.task.name]]


def choose_samples_per_problem(config: RunConfig, recipe: Recipe) -> int:
    """Returns the number of samples per problem.

    It is --n if given, otherwise 1 if all samples would be equal, otherwise the number in the recipe.
    """
    if config.n is not None:
        return config.n
    return 1 if config.backend == ReferenceBackend.name or config.temperature == 0 else recipe.n


def check_numeric_settings(config: RunConfig, samples_per_problem: int, sampling: Sampling) -> None:
    """Raises UserError if numeric settings are out of range or contradict each other, such as --n and --k."""
    check_at_least(1, {"--n": samples_per_problem, "--batch-size": config.batch_size, "--replicas": config.replicas})
    check_at_least(1 if config.executor == "local" else 0, {"--workers": config.workers})
    if config.executor == "local" and (config.ray_address is not None or config.replicas is not None):
        raise UserError("--ray-address and --replicas need --executor ray; add it, or leave them out")
    check_at_least(1, {"--limit": config.limit, "--max-new-tokens": sampling.max_new_tokens})
    check_at_least(0, {"--temperature": sampling.temperature})
    if not 0 < sampling.top_p <= 1:
        raise UserError(f"--top-p {sampling.top_p} is not possible; it must be greater than 0 and at most 1")
    for k in config.ks:
        check_at_least(1, {"--k": k})
        if k > samples_per_problem and config.backend != ReplayBackend.name:
            raise UserError(
                f"pass@{k} needs {k} samples per problem, not {samples_per_problem}; set --n {k} or more, or a smaller "
                "--k"
            )
    if (
        samples_per_problem > 1
        and sampling.temperature == 0
        and config.backend not in (ReferenceBackend.name, ReplayBackend.name)
    ):
        raise UserError(
            f"--n {samples_per_problem} at temperature 0 gives equal samples; set --temperature above 0, such as 0.2"
        )


def check_backend_and_open_stored_completions(config: RunConfig) -> Backend | None:
    """Checks the backend's name and options; returns the backend if its completions exist already, otherwise None.

    The backends `reference` (official solutions) and `replay` (samples file) have such completions. Raises UserError
    for an unknown backend, an unknown option or an invalid value.
    """
    options = config.backend_options()
    backend = find_backend(config.backend)
    if isinstance(backend, type) and issubclass(backend, ReferenceBackend | ReplayBackend):
        return make_backend(config)
    schema = getattr(backend, "Options", None)
    if schema is not None:
        parse_options(schema, config.backend, options)
    return None


def check_prompt_is_supported(backend: Backend, prompt: Prompt) -> None:
    """Raises UserError if the backend does not support this kind of prompt, such as infilling."""
    if check := find_prompt_check(backend):
        check(prompt)
    elif prompt.suffix is not None:
        raise UserError(
            f"the backend {backend.name} cannot infill; use another --backend, or a recipe that continues text, such "
            "as --option recipe=suffix-first"
        )


def check_parent_folder_of_runs(runs: Sequence[PreparedRun]) -> None:
    """Raises UserError if the output folder of several tasks is itself a run directory, or has files but no run."""
    parents = {run.folder.parent for run in runs if run.folder.name == run.prepared.config.task}
    if len(runs) > 1 and len(parents) == 1:
        check_multi_task_folder(parents.pop())


def check_run_folder(run: PreparedRun) -> None:
    """Raises UserError if a run directory cannot be written, or contains a run with other settings."""
    check_writable(run.folder)
    if run.prepared.config.overwrite:
        check_overwritable(run.folder, run.prepared.config.backend_options().get("samples"))
    else:
        read_resumable_manifest(run.folder, configuration_known_before_loading(run))


def configuration_known_before_loading(run: PreparedRun) -> dict[str, Any]:
    """Returns the part of a run's configuration that is known before sandbox and model are loaded."""
    return {
        "task": run.prepared.context.describe(),
        "sampling": asdict(run.prepared.sampling),
        "samples": run.sample_selection,
        "evalharness": __version__,
    }


def _prepare_run(prepared: PreparedTask, folder: Path, backend_with_stored_completions: Backend | None) -> PreparedRun:
    config = prepared.config
    requests = list_requests(prepared, backend_with_stored_completions)
    selection: SampleSelection = (
        {"file": True}
        if isinstance(backend_with_stored_completions, ReplayBackend)
        else {"n": prepared.n, "limit": config.limit}
    )
    if config.shard:
        shard = parse_shard(config.shard)
        requests = shard.select_requests(requests)
        selection["shard"] = str(shard)
    if config.only:
        selection["only"] = list(prepared.problems)
    keys = SampleKeySet(request.key for request in requests)
    return PreparedRun(folder, prepared, tuple(requests), selection, keys)


def list_requests(prepared: PreparedTask, backend_with_stored_completions: Backend | None) -> list[Request]:
    """Returns one request for each sample of a run, sorted by problem.

    With `evalharness grade`, each line of the samples file is a sample. Raises UserError if the samples file does not
    match the task.
    """
    if isinstance(backend_with_stored_completions, ReplayBackend):
        return _list_requests_of_samples_file(prepared, backend_with_stored_completions)
    return [Request(problem, sample_id) for problem in prepared.problems.values() for sample_id in range(prepared.n)]


def _list_requests_of_samples_file(prepared: PreparedTask, backend: ReplayBackend) -> list[Request]:
    problems = prepared.problems
    keys = backend.resolve_sample_keys(problems)
    recipe = backend.recipe_name()
    if recipe not in (None, prepared.context.recipe_name):
        raise UserError(
            f"the samples in {backend.path} were generated with the recipe {recipe}; add --option recipe={recipe}"
        )
    if any(problem.accepts_programs for problem in problems.values()):
        for sample in backend.samples():
            problem = problems[sample.task_id]
            if sample.choose_text_form(problem) == "program":
                prepared.task.program(problem, sample.to_completion(problem))  # refuses one without the problem's tests
    min_samples = min(Counter(task_id for task_id, _ in keys).values())
    for k in prepared.config.ks:
        if k > min_samples:
            raise UserError(
                f"pass@{k} needs {k} samples of every problem, but {backend.path} has only {min_samples} for some "
                "problems; use a smaller --k"
            )
    return [Request(problems[task_id], sample_id) for task_id, sample_id in keys]
