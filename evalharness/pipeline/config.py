"""The configuration of a run, and the backend that it names."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from evalharness.backends.factory import BackendConfig, find_backend, option_names, unknown_option_message
from evalharness.data.cards import task_name_without_card_file
from evalharness.data.cards.task_options import all_task_option_names
from evalharness.errors import UserError
from evalharness.pipeline.resuming.same_run import RETRY_OPTIONS
from evalharness.records import Backend
from evalharness.sandbox.factory import OPTIONS as SANDBOX_OPTIONS
from evalharness.sandbox.factory import VERDICT_OPTIONS

RESULT_NEUTRAL_FIELDS = frozenset(
    {
        "workers", "options", "sandbox", "tokenizer", "executor", "ray_address", "replicas", "overwrite",
        "settle_failures", "ask_again",
    }
)  # fmt: skip
"""Fields of RunConfig that do not affect a run's default folder name; of `options`, those of task and backend do."""


@dataclass(frozen=True)
class RunConfig:
    """The configuration of a run: one task (a benchmark), one backend (a source of completions), and the settings."""

    task: str
    backend: str
    model: str | None = None
    limit: int | None = None
    """Only the first problems; None for all."""
    n: int | None = None
    """Samples per problem; None, here and for temperature, top_p and max_new_tokens: the value in the task's recipe
    (its prompt and sampling settings).
    """
    ks: tuple[int, ...] = ()
    """The k of each pass@k that is reported; empty for 1, 10 and 100 as far as n allows."""
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    seed: int = 0
    batch_size: int = 1
    workers: int = 2
    """Samples graded at a time; 0, with the executor `ray` alone, for as many as each node has processors."""
    data: str | None = None
    """A data folder, `hub` or `sample`; None for $EVALHARNESS_DATA, else the hub."""
    sandbox: str = "docker"
    tokenizer: str | None = None
    """The tokenizer that counts the output of all models alike: a path or hub id; None for the bundled one."""
    executor: str = "local"
    ray_address: str | None = None
    """The address of a Ray cluster, or `auto`; None starts one on this machine. For the executor `ray` alone."""
    replicas: int | None = None
    """Copies of a generating backend; None for one per GPU, or one without GPUs. For the executor `ray` alone."""
    shard: str | None = None
    """The part of the problems that this run covers, such as 1/7 for the first of seven parts; None for all."""
    only: tuple[str, ...] = ()
    """Ids of single problems; empty for all problems."""
    overwrite: bool = False
    """Whether a run that the directory holds is deleted instead of resumed."""
    settle_failures: bool = False
    """Whether prompts for which the backend fails after all retries count as not solved, which completes the run."""
    ask_again: bool = False
    """Whether a resumed run sends prompts again that were refused, or that count as not solved by `settle_failures`."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The `--option`s of task, backend and sandbox together."""

    def default_folder_name(self) -> str:
        """Returns the default name of the run directory. Runs that can have different results get different names."""
        parts = [
            task_name_without_card_file(self.task),
            self.backend,
            *([self.model.strip("/").replace("/", "--")] if self.model else []),
        ]
        excluded_fields = RESULT_NEUTRAL_FIELDS | {name for name in ("shard", "only") if not getattr(self, name)}
        settings = {key: value for key, value in vars(self).items() if key not in excluded_fields}
        excluded_options = set(SANDBOX_OPTIONS) - VERDICT_OPTIONS | set(RETRY_OPTIONS)
        options = sorted(item for item in self.options.items() if item[0] not in excluded_options)
        digest = hashlib.sha256(json.dumps([settings, options]).encode()).hexdigest()[:8]
        return "_".join([*parts, digest])

    def task_options(self) -> dict[str, str]:
        """Returns those `--option KEY=VALUE` pairs that are options of the task (the benchmark), as a dictionary."""
        return {key: value for key, value in self.options.items() if key in all_task_option_names(self.task)}

    def sandbox_options(self) -> dict[str, str]:
        """Returns those `--option KEY=VALUE` pairs that are options of the sandbox, as a dictionary."""
        return {key: value for key, value in self.options.items() if key in SANDBOX_OPTIONS}

    def backend_options(self) -> dict[str, str]:
        """Returns those `--option KEY=VALUE` pairs that are options of the backend, as a dictionary.

        Raises UserError for an option that neither the backend nor the task nor the sandbox has.
        """
        known_options = option_names(find_backend(self.backend))
        other_options = all_task_option_names(self.task) | set(SANDBOX_OPTIONS)
        options = {key: value for key, value in self.options.items() if key not in other_options}
        for key in options:
            if key not in known_options:
                raise UserError(unknown_option_message(key, self.backend, known_options | other_options))
        return options


def make_backend(config: RunConfig) -> Backend:
    """Creates the backend that the configuration names, with its model loaded.

    Raises UserError if the model or an option of the backend is not valid.
    """
    backend = find_backend(config.backend)
    return backend(BackendConfig(config.model, config.batch_size, config.backend_options()))


def default_worker_count(executor_name: str) -> int:
    """Returns the default of --workers (samples graded at the same time) for an executor, such as `local` or `ray`.

    It is the number of CPU cores that this process may use. For an executor on a cluster it is 0: each node grades as
    many samples as it has cores.
    """
    if executor_name != "local":
        return 0
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
