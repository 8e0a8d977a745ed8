"""The types of a run directory's `manifest.json` and `summary.json`.

All rates are fractions, all times seconds unless a key says otherwise. A key that is not required is absent where its
value was not measured or does not apply; nothing unmeasured is ever zero.
"""

from typing import Any, Literal, NotRequired, TypedDict

from evalharness.records import Status


class DataDescription(TypedDict):
    """The origin and fingerprint of a task's data, and whether the data are the official ones."""

    origin: str
    fingerprint: str
    """The sha256 of the records in a canonical form, as `sha256:HEX`."""
    official: bool
    """Whether the fingerprint is the one that the task's card (YAML file) states."""


class TaskDescription(TypedDict):
    """The description of a run's task in its manifest: everything about the task that can change a result."""

    name: str
    family: str
    version: str
    split: str | None
    problems: int
    data: DataDescription
    recipe: dict[str, Any]
    """The recipe's name and the fields of `data.cards.Recipe`."""
    extraction_version: NotRequired[int]
    """The version of the project's own extraction rules."""
    rules: dict[str, Any]
    image: str
    commands: NotRequired[dict[str, Any]]
    """The language's commands and limits, of tasks whose programs run by commands."""
    options: dict[str, str]
    grading: dict[str, str]
    deviations: list[str]
    """The ids of the known deviations from the official grader, which the task's card (YAML file) describes."""


class SampleSelection(TypedDict, total=False):
    """The samples that a run consists of: those that options such as `--limit` select, or those in a samples file."""

    file: bool
    """True if a samples file determines the samples; `n` and `limit` are absent then."""
    n: int
    limit: int | None
    shard: str
    only: list[str]


class ManifestConfiguration(TypedDict):
    """A run's configuration: everything that can change its results. A run resumes only with an equal configuration."""

    task: TaskDescription
    backend: dict[str, Any]
    """`name`, `model` and what the backend describes of itself."""
    sampling: dict[str, Any]
    samples: SampleSelection
    sandbox: dict[str, Any]
    evalharness: str
    """The version of the package."""


class Hardware(TypedDict):
    """The hardware of the machine that executed a run."""

    system: str
    processor: str
    cores: int | None
    cpu_mhz: float | None
    memory_gb: float
    accelerators: NotRequired[list[str]]
    accelerator_clocks: NotRequired[str]


class Environment(TypedDict):
    """The software and hardware that executed a run. They may differ when the run is resumed."""

    started_at: str
    """In UTC, such as 2026-01-31T12:00:00Z."""
    command: list[str]
    git: str | None
    python: str
    packages: dict[str, str]
    hardware: Hardware
    sandbox: NotRequired[dict[str, Any]]
    workers: NotRequired[int]
    samples_file: NotRequired[str]
    """The samples file that was graded."""
    card: NotRequired[str]
    """The task as a user named it by its card's file: FILE.yaml:TASK."""
    copies: NotRequired[int]
    """Copies of the backend, where there is more than one."""
    merged: NotRequired[list[Any]]
    """The environments of the runs that `merge` joined."""


class RunStretch(TypedDict):
    """A stretch of a run: the part that one process wrote. Each time a run is resumed, a new stretch begins."""

    environment: Environment
    transport: dict[str, Any]
    """The options that change how requests are sent, but no answer (`pipeline.resuming.same_run.TRANSPORT_OPTIONS`)."""
    samples: SampleSelection
    completions: int
    """Number of completions that existed when the stretch began."""
    adjusted: NotRequired[dict[str, str]]
    """Options that the backend changed as the endpoint refused them, with the values that were sent."""


class Manifest(TypedDict):
    """The content of a run's `manifest.json`: configuration, environment and stretches (see `RunStretch`)."""

    config: ManifestConfiguration
    """The configuration with which the latest process wrote to the run."""
    environment: Environment
    """The environment of the first process that wrote to the run."""
    stretches: NotRequired[list[RunStretch]]
    """One entry per process that wrote to the run, in the order of time; absent in runs of earlier versions."""


class PassRate(TypedDict):
    """An estimated pass rate, such as pass@1, and the two ends of its 95 % confidence interval, all as fractions."""

    value: float
    ci95: list[float]


class CategoryPassRates(TypedDict):
    """In a run's summary: the pass rates over the problems of one category, such as those of one month."""

    problems: int
    metrics: dict[str, PassRate]


Percentiles = dict[str, float]
"""Values by `p50`, `p90` and `p99`, over requests."""


class SteadyStateSpeed(TypedDict):
    """In a run's summary: the speed in the time window in which the most requests were in progress at once."""

    output_tokens_per_s: float
    seconds: float
    concurrency: int


class DraftAcceptance(TypedDict):
    """In a run's summary: how many drafted tokens of one source the target model accepted in speculative decoding.

    The source of drafts is, for example, a drafter model or a look-up in the prompt.
    """

    passes: int
    """Passes of the target that verified such drafts."""
    acceptance_length: float
    """Mean tokens per such pass, the target's own token included."""
    acceptance_by_position: list[float]
    """For each position, the share of the drafts with a token there of which the target accepted it."""


class Speed(TypedDict, total=False):
    """The speed of a run, or of one concurrency level of `evalharness bench` (`metrics.throughput.compute_speed`)."""

    requests: int
    warmup_requests: int
    generation_s: float
    latency_s: Percentiles
    first_output_s: Percentiles
    time_per_output_token_s: Percentiles
    output_tokens: int
    prompt_tokens: int
    output_tokens_per_s: float
    output_tokens_per_s_ci95: list[float]
    output_tokens_per_s_per_request: float
    request_output_tokens_per_s: Percentiles
    characters_per_s: float
    steady: SteadyStateSpeed
    common_tokens: int
    common_tokens_per_s: float
    tokenizer: str
    forwards: int
    tokens_per_forward: float
    drafts: dict[str, DraftAcceptance]
    prefill_share: float
    batch: int
    conditions: dict[str, Any]


AnswerKind = Literal["at_limit", "reasoning_only", "empty", "refused", "unanswered"]
"""at_limit: reached the token limit. reasoning_only: reasoning without an answer. refused: the endpoint or the model
refuses the prompt, or a filter ends the answer. unanswered: the backend failed for the prompt after all retries, and
the sample counts as not solved (--settle-failures)."""


class FailureReason(TypedDict):
    """In a run's summary: a reason why the backend or the machine failed, and the problems with this failure."""

    reason: str
    samples: int
    """Number of samples with this reason."""
    problems: list[str]
    """The ids of the first problems with this reason."""


class AnswerCounts(TypedDict):
    """In a run's summary: how many answers reached the token limit, were empty, were refusals or had only reasoning.

    See `metrics.answer_counts`.
    """

    answers: int
    """All answers, refused prompts included; not those that the infrastructure failed on."""
    counts: dict[AnswerKind, int]
    """`at_limit` is absent where it is not known, as for samples from a file."""
    rates: dict[AnswerKind, float]
    """The counts as shares of `answers`."""
    token_limit: NotRequired[int]
    """The largest number of new tokens that an answer could have."""
    with_reasoning: NotRequired[int]
    """Answers with reasoning that was sent separately from the text."""
    reasoning_tokens: NotRequired[int]
    """The endpoint's count of the tokens of that reasoning."""
    reasoning_common_tokens: NotRequired[int]
    """The common tokenizer's count of the tokens of that reasoning."""
    reasons: NotRequired[dict[AnswerKind, list[FailureReason]]]
    """What the endpoint said about refused and unanswered prompts, the most frequent reason first."""


class SummaryResults(TypedDict):
    """The part of `summary.json` that is computed from completions and verdicts: pass rates, speed, counts."""

    problems: int
    """Problems that have a verdict; the rates are over these."""
    problems_of_task: int
    samples: int
    """Samples that have a verdict."""
    asked: int
    """Samples of the run, with or without a verdict."""
    metrics: dict[str, PassRate]
    facets: NotRequired[dict[str, dict[str, CategoryPassRates]]]
    """Rates by problem category: first the kind of category (facet), such as `month`, then the category, such as
    `2024-08`.
    """
    speed: Speed
    """Empty if no request was timed."""
    statuses: dict[Status, int]
    extraction: NotRequired[dict[str, int]]
    """Answers by the rule that found their program; absent where no program is searched for."""
    answers: NotRequired[AnswerCounts]
    """Absent for the official solutions, and in runs of earlier versions."""
    without_verdict: NotRequired[list[FailureReason]]
    """Why samples have no verdict, the most frequent reason first."""
    without_completion: NotRequired[int]
    """Samples that have no verdict because the backend failed."""


class Summary(SummaryResults):
    """The content of a run's `summary.json`: task, model, pass rates, speed and counts."""

    task: str
    backend: str
    model: str | None
    recipe: str
    middle: NotRequired[str]
    """How the length of an infilled middle is chosen; `unknown` for samples from a file without that information."""
    version: str
    split: str | None
    options: dict[str, str]
    shard: NotRequired[str]
    note: str
    official_data: bool
