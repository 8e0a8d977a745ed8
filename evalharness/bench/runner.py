"""Carries out `evalharness bench`: validates the options, then measures one concurrency level at a time."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

from evalharness.backends import find_backend, option_names
from evalharness.bench.config import CODE_TOKENS, BenchConfig, check_bench_options
from evalharness.bench.levels import ConcurrencyResult, summarize_concurrency_level
from evalharness.bench.workload import fingerprint_prompts, make_coding_problems, make_requests
from evalharness.data.run_files import MANIFEST
from evalharness.data.run_types import Environment
from evalharness.errors import UserError
from evalharness.metrics.throughput import speed_measurement_conditions
from evalharness.metrics.tokenizing import CommonTokenizer, load_common_tokenizer
from evalharness.pipeline.config import RunConfig, make_backend
from evalharness.pipeline.machine import describe_current_process, redact_url_secrets
from evalharness.pipeline.store import append_completions, write_json
from evalharness.pipeline.unanswered import generate_unless_refused
from evalharness.pipeline.validate import (
    check_backend_and_open_stored_completions,
    check_prompt_is_supported,
    prepare_task,
)
from evalharness.records import Problem, Sampling
from evalharness.util.differences import find_differences
from evalharness.util.files import check_writable
from evalharness.util.text import counted

BENCH_FILE = "bench.json"


class Workload(TypedDict):
    """The number and the hash of the prompts that `evalharness bench` sent; a part of `bench.json`."""

    prompts: int
    fingerprint: str


class BenchFile(TypedDict):
    """The content of `bench.json`, the result file of `evalharness bench`."""

    config: Mapping[str, Any]
    """The `BenchConfig`, without secrets in its options."""
    workload: Workload
    sampling: Mapping[str, Any]
    backend: Mapping[str, Any]
    environment: Environment
    levels: list[dict[str, Any]]
    """One `ConcurrencyResult` per concurrency."""


@dataclass(frozen=True)
class PreparedBench:
    """A validated configuration of `evalharness bench` with its prompts, before the backend is loaded."""

    config: BenchConfig
    folder: Path
    problems: Sequence[Problem]
    sampling: Sampling
    tokenizer: CommonTokenizer | None
    settings: Mapping[str, Any]
    """The configuration as `bench.json` stores it."""


def run_bench(
    config: BenchConfig, out_folder: Path, log: Callable[[str], None] = lambda text: None
) -> list[ConcurrencyResult]:
    """Measures a backend's speed at each concurrency, and writes `bench.json` and the completions into `out_folder`.

    Returns one result per concurrency. Raises UserError for invalid options before any request, and if no request at a
    concurrency was measured.
    """
    return measure_concurrency_levels(validate_bench(config, out_folder), log)


def validate_bench(config: BenchConfig, out_folder: Path) -> PreparedBench:
    """Validates the options of `evalharness bench` and prepares its prompts. Raises UserError for invalid options."""
    check_bench_options(config)
    for concurrency in config.concurrency:
        check_backend_and_open_stored_completions(make_run_config(config, concurrency))
    tokenizer = load_common_tokenizer(config.tokenizer)
    problems, sampling = load_problems_and_sampling(config, tokenizer)
    settings = {**asdict(config), "options": {key: redact_url_secrets(value) for key, value in config.options.items()}}
    check_output_folder(out_folder, settings)
    return PreparedBench(config, out_folder, problems, sampling, tokenizer, settings)


def measure_concurrency_levels(prepared: PreparedBench, log: Callable[[str], None]) -> list[ConcurrencyResult]:
    """Measures a backend's speed at each concurrency, with new prompts each time, and writes `bench.json`."""
    config, folder = prepared.config, prepared.folder
    levels: list[ConcurrencyResult] = []
    begin = 0
    for concurrency in config.concurrency:
        warmup = config.warmup_request_count(concurrency)
        with closing(make_backend(make_run_config(config, concurrency))) as backend:
            check_prompt_is_supported(backend, prepared.problems[0].prompt)
            if not levels:
                description, environment = dict(backend.describe()), describe_current_process()
                folder.mkdir(parents=True, exist_ok=True)
            log(f"concurrency {concurrency}: {counted(warmup, 'warm-up request')}, {config.requests} measured")
            requests = make_requests(prepared.problems, begin, warmup + config.requests)
            begin += len(requests)
            rows = list(generate_unless_refused(backend, requests, prepared.sampling))
            measured_under = {
                **speed_measurement_conditions(backend.describe(), environment["hardware"]),
                "concurrency": concurrency,
            }
        warmup_keys = {request.key for request in requests[:warmup]}
        levels.append(
            summarize_concurrency_level(
                rows, warmup_keys, concurrency, prepared.tokenizer, measured_under, config.prices
            )
        )
        (folder / f"completions-{concurrency}.jsonl").unlink(missing_ok=True)
        append_completions(folder / f"completions-{concurrency}.jsonl", rows)
        content: BenchFile = {
            "config": prepared.settings,
            "workload": {"prompts": len(prepared.problems), "fingerprint": fingerprint_prompts(prepared.problems)},
            "sampling": asdict(prepared.sampling),
            "backend": description,
            "environment": environment,
            "levels": [asdict(level) for level in levels],
        }
        write_json(folder / BENCH_FILE, content)
    return levels


def check_output_folder(out_folder: Path, settings: Mapping[str, Any]) -> None:
    """Raises UserError if `out_folder` is not writable, or contains a run or a `bench.json` with other settings.

    A `bench.json` with the same settings is allowed, and will be replaced.
    """
    check_writable(out_folder)
    if (out_folder / MANIFEST).exists():
        raise UserError(f"{out_folder} contains a run of `evalharness run`; choose another folder with --out")
    path = out_folder / BENCH_FILE
    try:
        existing = json.loads(path.read_bytes())["config"]
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; choose another folder with --out") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} is damaged: no JSON object as `evalharness bench` writes it; choose another folder with --out"
        ) from None
    for name, old, new in find_differences(existing, json.loads(json.dumps(settings))):
        raise UserError(
            f"{out_folder} contains a result of `bench` with other settings ({name} was {old}, now {new}); choose "
            "another folder with --out"
        )


def load_problems_and_sampling(
    config: BenchConfig, tokenizer: CommonTokenizer | None
) -> tuple[Sequence[Problem], Sampling]:
    """Returns the problems whose prompts `bench` sends, and the sampling parameters.

    Without a task, the prompts are Python code to be continued. Raises UserError for an invalid task or too many
    prompts.
    """
    if config.task is not None:
        prepared = prepare_task(make_run_config(config, 1))
        return list(prepared.problems.values()), prepared.sampling
    count = sum(config.requests + config.warmup_request_count(concurrency) for concurrency in config.concurrency)
    problems = make_coding_problems(count, config.input_tokens or CODE_TOKENS, tokenizer.count if tokenizer else None)
    limit = config.output_tokens or CODE_TOKENS
    return problems, Sampling(config.temperature, max_new_tokens=limit, seed=config.seed)


def make_run_config(config: BenchConfig, concurrency: int) -> RunConfig:
    """Returns a run configuration with which the backend processes `concurrency` requests at a time.

    Sets the backend's option `concurrency` if it has one, otherwise the batch size.
    """
    has_option = "concurrency" in option_names(find_backend(config.backend))
    return RunConfig(
        task=config.task or "",
        backend=config.backend,
        model=config.model,
        temperature=config.temperature,
        n=1,
        max_new_tokens=config.output_tokens,
        seed=config.seed,
        batch_size=1 if has_option else concurrency,
        data=config.data,
        options={**config.options, **({"concurrency": str(concurrency)} if has_option else {})},
    )
