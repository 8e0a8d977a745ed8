"""The pipeline: problems, prompts, completions, programs, executions, verdicts, summary; one way, resumable."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

from evalharness.adapters import TaskContext, open_task
from evalharness.adapters.factory import task_option_names
from evalharness.backends import BackendConfig, find_backend, option_names
from evalharness.backends.factory import unknown_option
from evalharness.backends.replay import ReplayBackend
from evalharness.data.card_schema import Recipe
from evalharness.data.sources import resolve_source
from evalharness.errors import NoSample, UserError
from evalharness.metrics.passk import DEFAULT_KS, rates, rates_by_facet, tally
from evalharness.metrics.throughput import conditions, speed
from evalharness.metrics.tokenizing import common_tokenizer
from evalharness.pipeline.executors import Engine, Sandboxes, open_engine
from evalharness.pipeline.manifest import configuration, environment
from evalharness.pipeline.problem_filter import choose
from evalharness.pipeline.progress import Progress, Silent
from evalharness.pipeline.shard import parse_shard
from evalharness.pipeline.store import Store, is_same_run, read_completions, read_manifest, read_verdicts
from evalharness.records import (
    STATUSES,
    Backend,
    Problem,
    Prompt,
    Request,
    Sampling,
    Status,
    SupportsPromptCheck,
    Task,
    Verdict,
)
from evalharness.sandbox.factory import OPTIONS as SANDBOX_OPTIONS
from evalharness.util.key_set import KeySet
from evalharness.util.text import counted


@dataclass(frozen=True)
class RunConfig:
    """One task, one backend, one configuration. `options` are the `--option`s of task and backend together."""

    task: str
    backend: str
    model: str | None = None
    limit: int | None = None
    n: int | None = None
    """None, here and below: what the task's recipe says."""
    ks: tuple[int, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    seed: int = 0
    batch_size: int = 1
    workers: int = 2
    data: str | None = None
    sandbox: str = "docker"
    tokenizer: str | None = None
    """The common tokenizer, by which the output is counted once more; None for the bundled one."""
    engine: str = "local"
    ray_address: str | None = None
    """Of a running cluster, or auto; None begins one on this machine alone. For engine ray, as is `replicas`."""
    replicas: int | None = None
    """Copies of a generating backend; None for one per GPU, or one where there is none."""
    shard: str | None = None
    """Which share of the samples, such as 1/7; None for all."""
    only: tuple[str, ...] = ()
    """The ids of single problems, where not all are asked for."""
    options: Mapping[str, str] = field(default_factory=dict)

    def folder_name(self) -> str:
        """A name that the same configuration always gives, for a run without --out."""
        parts = [self.task, self.backend, *([self.model.strip("/").replace("/", "--")] if self.model else [])]
        unnamed = {"workers", "options", "sandbox", "tokenizer", "engine", "ray_address", "replicas"}
        unnamed |= {name for name in ("shard", "only") if not getattr(self, name)}
        kept = {key: value for key, value in vars(self).items() if key not in unnamed}
        options = sorted(item for item in self.options.items() if item[0] not in SANDBOX_OPTIONS)
        digest = hashlib.sha256(json.dumps([kept, options]).encode()).hexdigest()[:8]
        return "_".join([*parts, digest])


Summary = dict[str, Any]
Job = tuple[RunConfig, Path]


def run(config: RunConfig, out: Path, progress: Progress | None = None) -> Summary:
    """Runs, or resumes, one task and returns the summary that is written to `out`. See `run_all`."""
    return run_all([(config, out)], progress or Silent())[out]


def run_all(jobs: Sequence[Job], progress: Progress) -> dict[Path, Summary]:
    """Runs several tasks with one backend, each into its own directory; they differ in nothing but the task.

    The summaries by directory, in order. Of several tasks, those without official solutions or without a bundled sample
    are left out where that is asked for.
    Raises UserError before any work is done where the user must change something.
    """
    shared = jobs[0][0]
    shard = parse_shard(shared.shard) if shared.shard else None
    common_tokenizer(shared.tokenizer)  # refused before any work
    jobs, prepared = prepare_all(jobs, progress)
    if shared.backend == "reference":
        jobs, prepared = with_references(jobs, prepared, progress)
    with ExitStack() as stack:
        images = sorted({one.context.image for one in prepared if one.context.image})
        engine = stack.enter_context(closing(open_engine(shared, make_backend, progress.note, bool(images))))
        sandbox, backend = engine.sandbox, engine.backend
        for one in prepared:
            check_prompt(backend, next(iter(one.problems.values())).prompt)
        sandbox.prepare(images)
        requests = [all_requests(one, backend) for one in prepared]
        if shard:
            requests = [shard.choose(asked) for asked in requests]
        manifests = [manifest(one, backend, sandbox) for one in prepared]
        for (_, out), wanted in zip(jobs, manifests, strict=True):
            is_same_run(out, wanted)
        around = environment(shared.workers or sandbox.workers, sandbox, engine.copies)
        stores = [
            stack.enter_context(closing(Store(out, wanted, around)))
            for (_, out), wanted in zip(jobs, manifests, strict=True)
        ]
        if shared.backend == "reference":
            progress.note("backend reference: the official solutions, to check the harness itself; no model, no speed")
        return {
            store.folder: run_one(one, asked, engine, store, progress)
            for one, asked, store in zip(prepared, requests, stores, strict=True)
        }


@dataclass(frozen=True)
class Prepared:
    """A task that can be run: its data are read and its settings checked."""

    config: RunConfig
    task: Task
    context: TaskContext
    problems: Mapping[str, Problem]
    whole: int
    """How many problems the task has; `problems` may be cut by a limit."""
    n: int
    sampling: Sampling


def prepare(config: RunConfig) -> Prepared:
    """Checks the configuration and reads the task's data. Raises UserError where either will not do."""
    task, context = open_task(config.task, resolve_source(config.data), task_options(config.options))
    recipe = context.recipe
    sampling = Sampling(
        recipe.temperature if config.temperature is None else config.temperature,
        recipe.top_p if config.top_p is None else config.top_p,
        recipe.max_new_tokens if config.max_new_tokens is None else config.max_new_tokens,
        config.seed,
    )
    n = samples_per_problem(config, recipe)
    check_numbers(config, n, sampling)
    every = list(task.problems())
    problems = choose(every, config.limit, config.only, config.task)
    if not problems:
        raise UserError(f"no problems are left of {config.task}; change --limit or --option split=")
    return Prepared(config, task, context, problems, len(every), n, sampling)


def prepare_all(jobs: Sequence[Job], progress: Progress) -> tuple[list[Job], list[Prepared]]:
    """The tasks prepared. Where samples of several are asked for, those without a bundled one are left out and named.

    Raises UserError where one of them, or all, will not do.
    """
    kept, prepared, lacking = [], [], []
    for job in jobs:
        try:
            prepared.append(prepare(job[0]))
            kept.append(job)
        except NoSample:
            if len(jobs) == 1:
                raise
            lacking.append(job[0].task)
    if not kept:
        raise NoSample(f"there is no sample of {', '.join(lacking)}; use --data DIR or --data hub")
    if lacking:
        progress.note(f"left out, since there is no sample of them: {', '.join(lacking)}")
    return kept, prepared


def with_references(
    jobs: Sequence[Job], prepared: Sequence[Prepared], progress: Progress
) -> tuple[list[Job], list[Prepared]]:
    """The tasks that have official solutions; says which have none. Raises UserError if all are such."""
    has = [all(problem.reference is not None for problem in one.problems.values()) for one in prepared]
    lacking = ", ".join(one.task.name for one, kept in zip(prepared, has, strict=True) if not kept)
    if not any(has):
        raise UserError(f"no official solutions were published for {lacking}; use --data sample, or another backend")
    if lacking:
        progress.note(f"left out, since no official solutions were published: {lacking}")
    return list(compress(jobs, has)), list(compress(prepared, has))


def samples_per_problem(config: RunConfig, recipe: Recipe) -> int:
    """As many as asked for, else as the recipe says; the official solutions do not differ, so of them one."""
    if config.n is not None:
        return config.n
    return 1 if config.backend == "reference" or config.temperature == 0 else recipe.n


def manifest(one: Prepared, backend: Backend, sandbox: Sandboxes) -> Summary:
    """The configuration that the run directory is to be of."""
    asked: Summary = {"file": True} if isinstance(backend, ReplayBackend) else {"n": one.n, "limit": one.config.limit}
    if one.config.shard:
        asked["shard"] = str(parse_shard(one.config.shard))
    if one.config.only:
        asked["only"] = list(one.problems)
    return configuration(one.context, backend, one.config.model, one.sampling, sandbox, asked)


def run_one(
    one: Prepared,
    requests: Sequence[Request],
    engine: Engine,
    store: Store,
    progress: Progress,
) -> Summary:
    """Runs, or resumes, one prepared task."""
    amounts = f"{counted(len(one.problems), 'problem')}, {counted(len(requests), 'sample')}"
    progress.note(f"{one.task.name}: {amounts}, into {store.folder}")
    covered = len({request.problem.task_id for request in requests})
    if one.config.shard:
        progress.note(f"shard {one.config.shard}: {counted(covered, 'problem')}; `evalharness merge` joins the shards")
    elif covered < len(one.problems):
        progress.note(f"only {covered} of {len(one.problems)} problems have samples; rates are over those alone")
    if store.resumed:
        progress.note(f"resuming: {len(store.judged)} of {len(requests)} samples are graded already")
    work(one, requests, engine, store, progress)
    summary = summarize(one, engine.backend, store, len(requests))
    store.write_summary(summary)
    return summary


def check_numbers(config: RunConfig, n: int, sampling: Sampling) -> None:
    """Raises UserError for numbers that make no sense together."""
    if n < 1 or config.workers < (config.engine == "local") or config.batch_size < 1:
        raise UserError("--n, --workers and --batch-size must be at least 1")
    if config.replicas is not None and config.replicas < 1:
        raise UserError("--replicas must be at least 1")
    if config.engine == "local" and (config.ray_address is not None or config.replicas is not None):
        raise UserError("--ray-address and --replicas are for --engine ray; add that, or leave them out")
    if config.limit is not None and config.limit < 1:
        raise UserError("--limit must be at least 1")
    if sampling.max_new_tokens < 1:
        raise UserError("--max-new-tokens must be at least 1")
    if sampling.temperature < 0 or not 0 < sampling.top_p <= 1:
        raise UserError("--temperature must be at least 0 and --top-p above 0 and at most 1")
    for k in config.ks:
        if k < 1:
            raise UserError(f"--k {k} makes no sense; every k must be at least 1")
        if k > n and config.backend != "replay":
            raise UserError(f"pass@{k} needs --n {k} or more, not --n {n}")
    if n > 1 and sampling.temperature == 0 and config.backend not in ("reference", "replay"):
        raise UserError(f"--n {n} at temperature 0 gives equal samples; set --temperature, such as 0.2")


def task_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options that are the task's."""
    return {key: value for key, value in options.items() if key in task_option_names()}


def sandbox_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options that are the sandbox's; they change no number."""
    return {key: value for key, value in options.items() if key in SANDBOX_OPTIONS}


def make_backend(config: RunConfig) -> Backend:
    """The backend with its own options. Raises UserError for an option that neither it nor the task knows."""
    backend = find_backend(config.backend)
    others = task_option_names() | set(SANDBOX_OPTIONS)
    own = {key: value for key, value in config.options.items() if key not in others}
    known = option_names(backend)
    for key in own:
        if key not in known:
            raise UserError(unknown_option(key, config.backend, known | others))
    return backend(BackendConfig(config.model, config.batch_size, own))


def check_prompt(backend: Backend, prompt: Prompt) -> None:
    """Raises UserError where the backend cannot take prompts such as this one, of which a task has one kind."""
    if isinstance(backend, SupportsPromptCheck):
        backend.accept(prompt)
    elif prompt.suffix is not None:
        raise UserError(
            f"backend {backend.name} cannot infill; use another, or a recipe that continues text, such as "
            "--option recipe=suffix-first"
        )


def all_requests(one: Prepared, backend: Backend) -> list[Request]:
    """Every sample that the run is to have, problem by problem; a replay has those of its file."""
    config, problems = one.config, one.problems
    if isinstance(backend, ReplayBackend):
        keys = backend.requests(problems)
        if (recipe := backend.recipe()) not in (None, one.context.recipe_name):
            raise UserError(f"{backend.path} is of a run with another recipe; add --option recipe={recipe}")
        for sample in backend.samples() if any(each.accepts_programs for each in problems.values()) else ():
            # A whole program is refused before any work where its tests are not in it.
            if sample.form(problems[sample.task_id]) == "program":
                one.task.program(problems[sample.task_id], sample.completion(problems[sample.task_id]))
        fewest = min(Counter(task_id for task_id, _ in keys).values())
        for k in config.ks:
            if k > fewest:
                raise UserError(f"pass@{k} needs {k} samples of every problem; {backend.path} has {fewest} of some")
        return [Request(problems[task_id], sample_id) for task_id, sample_id in keys]
    return [Request(problem, sample_id) for problem in problems.values() for sample_id in range(one.n)]


def work(
    one: Prepared,
    requests: Sequence[Request],
    engine: Engine,
    store: Store,
    progress: Progress,
) -> None:
    """Generates what is missing and grades what is not graded, both at once."""

    def finished(verdict: Verdict) -> None:
        store.add_verdict(verdict)
        progress.graded(verdict)

    wanted = KeySet(request.key for request in requests)
    graded = sum(request.key in store.judged for request in requests)
    missing = [request for request in requests if request.key not in store.completed]
    progress.start(len(requests), len(requests) - len(missing), graded)
    waiting = (row for row in store.completions() if row.key in wanted and row.key not in store.judged)
    grader = engine.grader(one.task, one.problems, finished)
    try:
        for completion in waiting:
            grader.put(completion)
        for completion in engine.backend.generate(missing, one.sampling) if missing else ():
            if not completion.error:
                store.add_completion(completion)
            progress.generated(completion)
            grader.put(completion)
        grader.finish()
    except BaseException:
        grader.close()
        engine.sandbox.close()
        raise
    finally:
        grader.join()
        progress.stop()


def middle_policy(one: Prepared, backend: Backend) -> dict[str, str]:
    """How the length of an infilled middle came about; of samples made elsewhere only what was said of them."""
    middle = one.context.recipe.middle
    known = not isinstance(backend, ReplayBackend) or "recipe" in one.config.options
    return {"middle": middle if known else "unknown"} if middle else {}


def summarize(one: Prepared, backend: Backend, store: Store, asked: int) -> Summary:
    """The contents of summary.json."""
    config, context = one.config, one.context
    return {
        "task": one.task.name,
        "backend": backend.name,
        "model": config.model,
        "recipe": context.recipe_name,
        **middle_policy(one, backend),
        "version": context.version.name,
        "split": context.split,
        "options": dict(context.options),
        **({"shard": config.shard} if config.shard else {}),
        "note": "" if context.sample else context.version.note,
        "official_data": context.loaded.official,
        **figures(one, store.folder, asked),
    }


def figures(one: Prepared, folder: Path, asked: int) -> Summary:
    """What a run directory's rows say, of which so many were asked for: the part of its summary that is counted.

    `problems` have a verdict, of `problems_of_task`, whatever the limit or the shard; the rates are over the former.
    """
    ks, told = one.config.ks or DEFAULT_KS, read_manifest(folder)
    tallies = tally(read_verdicts(folder))
    statuses = sum((each.statuses for each in tallies.values()), Counter[Status]())
    failed = (f"{row.task_id}: {row.detail}" for row in read_verdicts(folder) if row.status == "infrastructure")
    held = conditions(told["config"]["backend"], told["environment"]["hardware"])
    if merged := told["environment"].get("merged"):
        held["merged_runs"] = len(merged)
    if copies := told["environment"].get("copies"):
        held["copies"] = copies
    return {
        "problems": len(tallies),
        "problems_of_task": one.whole,
        "samples": statuses.total(),
        "asked": asked,
        "metrics": rates(tallies, ks),
        **({"facets": by} if (by := rates_by_facet(tallies, one.problems, ks)) else {}),
        "speed": speed(read_completions(folder), common_tokenizer(one.config.tokenizer), held),
        "statuses": {status: statuses[status] for status in STATUSES if statuses[status]},
        **({"infrastructure": next(failed)} if statuses["infrastructure"] else {}),
    }
