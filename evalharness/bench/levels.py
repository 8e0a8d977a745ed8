"""Measures speed alone: real prompts at several concurrencies, one level after the other, nothing graded."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evalharness.backends import find_backend, option_names
from evalharness.bench.workload import code_problems, fingerprint, refuse_random, requests_of
from evalharness.errors import UserError
from evalharness.metrics.throughput import conditions, cost_per_problem, percentiles, speed
from evalharness.metrics.tokenizing import CommonTokenizer, common_tokenizer
from evalharness.pipeline.config import RunConfig, make_backend
from evalharness.pipeline.machine import environment_of_process, without_secrets
from evalharness.pipeline.store import append_rows, write_json
from evalharness.pipeline.validate import check_prompt, prepare
from evalharness.records import Backend, Completion, Problem, Sampling
from evalharness.util.differences import differences
from evalharness.util.text import counted

CODE_TOKENS = 1000


@dataclass(frozen=True)
class BenchConfig:
    """What to measure: a task's prompts, or without one coding prompts."""

    backend: str
    model: str | None = None
    task: str | None = None
    data: str | None = None
    concurrency: tuple[int, ...] = (1,)
    input_tokens: int | None = None
    output_tokens: int | None = None
    """None: what the task's recipe says; for coding prompts 1,000, as for `input_tokens`."""
    requests: int = 32
    warmup: int | None = None
    """Requests sent before, at each level, and dropped; None for as many as are sent at once."""
    temperature: float = 0.0
    seed: int = 0
    tokenizer: str | None = None
    prices: tuple[float, float] | None = None
    """Per million tokens, of prompts and of output."""
    options: Mapping[str, str] = field(default_factory=dict)

    def folder_name(self) -> str:
        """A name that the same configuration always gives, for a bench without --out."""
        digest = hashlib.sha256(json.dumps(asdict(self), default=str).encode()).hexdigest()[:8]
        model = [self.model.strip("/").replace("/", "--")] if self.model else []
        return "_".join(["bench", self.task or "code", self.backend, *model, digest])


@dataclass(frozen=True)
class Level:
    """What was measured at one concurrency."""

    concurrency: int
    speed: Mapping[str, Any]
    """As in a run's summary; see `metrics/throughput.py`."""
    failed: int
    """Requests that the backend's machinery failed on; they are in no figure."""
    untimed: int
    """Requests that nothing was timed of, such as for want of room behind the prompt; in no figure either."""
    prompt_tokens: Mapping[str, float]
    output_tokens: Mapping[str, float]
    """Percentiles over requests; empty where they were not counted."""
    at_limit: int
    """Requests that were ended by the token limit."""
    cost_per_problem: float | None = None


def bench(config: BenchConfig, out: Path, note: Callable[[str], None] = lambda text: None) -> list[Level]:
    """Measures each level and writes `bench.json` and the rows of each level into `out`.

    Raises UserError before any work for what cannot be measured, and where nothing was.
    """
    check(config)
    problems, sampling = workload(config)
    tokenizer = common_tokenizer(config.tokenizer)
    settings = {**asdict(config), "options": {key: without_secrets(value) for key, value in config.options.items()}}
    refuse_others(out, settings)
    told: dict[str, Any] = {
        "config": settings,
        "workload": {"prompts": len(problems), "fingerprint": fingerprint(problems)},
        "sampling": asdict(sampling),
    }
    levels: list[Level] = []
    begin = 0
    for width in config.concurrency:
        warmup = width if config.warmup is None else config.warmup
        with closing(open_backend(config, width)) as backend:
            check_prompt(backend, problems[0].prompt)
            told.setdefault("backend", dict(backend.describe()))
            told.setdefault("environment", environment_of_process())
            make_folder(out)
            note(f"concurrency {width}: {counted(warmup, 'request')} to warm up, {config.requests} measured")
            asked = requests_of(problems, begin, warmup + config.requests)
            begin += len(asked)
            rows = list(backend.generate(asked, sampling))
            dropped = {request.key for request in asked[:warmup]}
            held = {**conditions(backend.describe(), told["environment"]["hardware"]), "concurrency": width}
        levels.append(measure(rows, dropped, width, tokenizer, held, config.prices))
        (out / f"completions-{width}.jsonl").unlink(missing_ok=True)
        append_rows(out / f"completions-{width}.jsonl", rows)
        write_json(out / "bench.json", {**told, "levels": [asdict(level) for level in levels]})
    return levels


def make_folder(out: Path) -> None:
    """Makes the folder, once the backend is known to work. Raises UserError where it cannot."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another folder with --out") from None


def refuse_others(out: Path, settings: Mapping[str, Any]) -> None:
    """Raises UserError where the folder holds a run, or a bench with other settings; one with the same is replaced."""
    if (out / "manifest.json").exists():
        raise UserError(f"{out} holds a run; choose another --out for a bench")
    try:
        held = json.loads((out / "bench.json").read_bytes())["config"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{out / 'bench.json'} cannot be read; choose another --out") from None
    for place, old, new in differences(held, json.loads(json.dumps(settings))):
        raise UserError(f"{out} holds a bench with other settings: {place} was {old}, now {new}; choose another --out")


def check(config: BenchConfig) -> None:
    """Raises UserError for what makes no sense."""
    refuse_random(config.task)
    if not config.concurrency or min(config.concurrency) < 1 or len(set(config.concurrency)) < len(config.concurrency):
        raise UserError("--concurrency must be numbers of at least 1, each once, such as 1,2,4,8")
    if config.requests < 1 or (config.warmup is not None and config.warmup < 0):
        raise UserError("--requests must be at least 1 and --warmup at least 0")
    if any(tokens is not None and tokens < 1 for tokens in (config.input_tokens, config.output_tokens)):
        raise UserError("--input-tokens and --output-tokens must be at least 1")
    if config.task and config.input_tokens:
        raise UserError("the prompts of a task have the length they have; leave --input-tokens or --task out")
    if config.prices and min(config.prices) < 0:
        raise UserError("--price-in and --price-out must be at least 0")
    if config.backend in ("reference", "replay"):
        raise UserError(f"backend {config.backend} generates nothing, so it has no speed; bench another")
    if "concurrency" in config.options:
        raise UserError("give the concurrencies with --concurrency, not as an option")


def workload(config: BenchConfig) -> tuple[list[Problem], Sampling]:
    """The problems and how they are decoded: the task's own by its recipe, else coding prompts. Raises UserError."""
    if config.task is None:
        needed = sum(
            config.requests + (width if config.warmup is None else config.warmup) for width in config.concurrency
        )
        tokenizer = common_tokenizer(config.tokenizer)
        tokens = config.input_tokens or CODE_TOKENS
        problems = code_problems(needed, tokens, tokenizer.count if tokenizer else None)
        return problems, Sampling(
            config.temperature, max_new_tokens=config.output_tokens or CODE_TOKENS, seed=config.seed
        )
    prepared = prepare(_as_run(config, 1))
    return list(prepared.problems.values()), prepared.sampling


def open_backend(config: BenchConfig, width: int) -> Backend:
    """The backend so that `width` requests are under way at once: by its option `concurrency`, else in batches."""
    if "concurrency" in option_names(find_backend(config.backend)):
        return make_backend(_as_run(config, 1, {"concurrency": str(width)}))
    return make_backend(_as_run(config, width))


def _as_run(config: BenchConfig, batch_size: int, more: Mapping[str, str] | None = None) -> RunConfig:
    return RunConfig(
        config.task or "", config.backend, config.model, temperature=config.temperature, n=1,
        max_new_tokens=config.output_tokens, seed=config.seed, batch_size=batch_size, data=config.data,
        options={**config.options, **(more or {})},
    )  # fmt: skip


def measure(
    rows: Sequence[Completion],
    dropped: set[tuple[str, int]],
    width: int,
    tokenizer: CommonTokenizer | None,
    held: Mapping[str, Any],
    prices: tuple[float, float] | None,
) -> Level:
    """The figures of one level. Raises UserError where no request was timed."""
    failures = [row.error for row in rows if row.error and row.key not in dropped]
    figures = speed(rows, tokenizer, held, warmup=dropped)
    if not figures:
        why = failures[0] if failures else "no request took any time; the prompts may leave no room for output"
        raise UserError(f"nothing was measured: {why}; mend that, or change --input-tokens, --task or --requests")
    answered = [row for row in rows if not row.error and row.key not in dropped]
    good = [row for row in answered if row.total_s is not None and row.started_at is not None]
    prompt = [row.prompt_tokens for row in good if row.prompt_tokens is not None]
    output = [row.output_tokens for row in good if row.output_tokens is not None]
    return Level(
        concurrency=width,
        speed=figures,
        failed=len(failures),
        untimed=len(answered) - len(good),
        prompt_tokens=percentiles(prompt) if len(prompt) == len(good) else {},
        output_tokens=percentiles(output) if len(output) == len(good) else {},
        at_limit=sum(row.finish_reason == "length" for row in good),
        cost_per_problem=cost_per_problem(good, *prices) if prices else None,
    )
