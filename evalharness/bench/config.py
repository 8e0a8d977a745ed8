"""The configuration of `evalharness bench`, and the checks of its numbers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from evalharness.bench.workload import refuse_random_token_workload
from evalharness.errors import UserError
from evalharness.util.number_checks import check_at_least

CODE_TOKENS = 1000
"""Default length, in tokens, of the generated coding prompts and of their completions."""
NO_GENERATION = ("reference", "replay")
"""Backends that return stored completions."""


@dataclass(frozen=True)
class BenchConfig:
    """The configuration of `evalharness bench`: a backend, its prompts, and the concurrency levels to measure."""

    backend: str
    model: str | None = None
    task: str | None = None
    data: str | None = None
    concurrency: tuple[int, ...] = (1,)
    """The concurrency levels to measure: numbers of concurrent requests, or batch sizes."""
    input_tokens: int | None = None
    """Length of coding prompts; None for `CODE_TOKENS`."""
    output_tokens: int | None = None
    """Token limit of a completion; None for the task's default limit, or `CODE_TOKENS` for coding prompts."""
    requests: int = 32
    """Measured requests per level."""
    warmup: int | None = None
    """Requests per level that are sent before and not measured; None for as many as the level's concurrency."""
    temperature: float = 0.0
    seed: int = 0
    tokenizer: str | None = None
    """The common tokenizer: a path or hub id; None for the bundled one."""
    prices: tuple[float, float] | None = None
    """Prices of a million prompt tokens and of a million output tokens."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of backend and task."""

    def warmup_request_count(self, concurrency: int) -> int:
        """Returns the number of unmeasured requests that are sent first at the concurrency level `concurrency`."""
        return concurrency if self.warmup is None else self.warmup

    def default_folder_name(self) -> str:
        """Returns the default name of the output folder, which contains a digest of the configuration."""
        digest = hashlib.sha256(json.dumps(asdict(self), default=str).encode()).hexdigest()[:8]
        model = [self.model.strip("/").replace("/", "--")] if self.model else []
        return "_".join(["bench", self.task or "code", self.backend, *model, digest])


def check_bench_options(config: BenchConfig) -> None:
    """Raises UserError if options of `evalharness bench` are out of range or contradict each other."""
    refuse_random_token_workload(config.task)
    levels = config.concurrency
    if not levels or min(levels) < 1 or len(set(levels)) < len(levels):
        numbers = ",".join(map(str, levels))
        raise UserError(
            f"--concurrency {numbers!r} is empty, or has a number below 1 or the same number twice; give distinct "
            "numbers of at least 1, such as 1,2,4,8"
        )
    check_at_least(1, {"--requests": config.requests})
    check_at_least(1, {"--input-tokens": config.input_tokens, "--output-tokens": config.output_tokens})
    check_at_least(0, {"--warmup": config.warmup, "--temperature": config.temperature})
    if config.task and config.input_tokens:
        raise UserError("--input-tokens has no effect on a task's prompts; remove --input-tokens or --task")
    if config.prices:
        check_at_least(0, dict(zip(("--price-in", "--price-out"), config.prices, strict=True)))
    if config.backend in NO_GENERATION:
        raise UserError(f"the backend {config.backend} generates nothing, so it has no speed; choose another --backend")
    if "concurrency" in config.options:
        raise UserError("--option concurrency= is not possible with bench; use --concurrency")
