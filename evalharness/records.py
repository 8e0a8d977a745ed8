"""The words of the harness as frozen dataclasses, in the order in which a run produces them.

Task --problems--> Prompt --Backend--> Completion --Task--> Program --Sandbox--> Execution --Task--> Verdict
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Status = Literal["passed", "failed", "timeout", "memory", "error", "tampered", "infrastructure"]
STATUSES: tuple[Status, ...] = ("passed", "failed", "timeout", "memory", "error", "tampered", "infrastructure")

Key = tuple[str, int]
"""Names a sample: (task_id, sample_id)."""

Middle = Literal["free", "oracle", "canvas", "search"]
"""How the length of an infilled middle comes about, which decides the score of a model that fills a canvas.

free: the model writes from left to right until it ends. oracle: as many tokens as the reference has, which gives a
part of the answer away. canvas: always `max_new_tokens`, cut at the first end token. search: the model looks for the
length itself, up to `max_new_tokens`.
"""


@dataclass(frozen=True)
class Message:
    """One chat turn."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Oracle:
    """The length of a reference's middle. The text is there to be counted, and for nothing else."""

    _text: str = field(repr=False)

    def length(self, count: Callable[[str], int]) -> int:
        """What `count`, such as the number of a tokenizer's tokens, says of the text."""
        return count(self._text)


@dataclass(frozen=True)
class Prompt:
    """What a backend receives for a problem: text to continue, chat messages, or a gap to infill.

    Exactly one of `text` and `messages` is given. `prefill` opens the assistant's answer where the backend can
    continue an answer; the completion is the text after it. The output is cut before the first of `stops`.
    """

    text: str | None = None
    messages: tuple[Message, ...] = ()
    prefill: str = ""
    stops: tuple[str, ...] = ()
    suffix: str | None = None
    """The text that follows the gap, where `text` is to be infilled rather than continued."""
    middle: Middle = "free"
    """How long the text in the gap is to be."""
    oracle: Oracle | None = None
    """Given with the policy `oracle` alone."""


@dataclass(frozen=True)
class Problem:
    """One item of a task. `record` is the official record as the data has it; `entry_point` may be empty."""

    task_id: str
    prompt: Prompt
    record: Mapping[str, Any]
    reference: str | None
    """The official solution, as a whole program; None where none was published."""
    entry_point: str = ""
    stem: str = ""
    """The text that a bare completion in a samples file continues."""
    tail: str = ""
    """The text that follows a completion in the program, where there is a gap to infill."""
    facets: Mapping[str, str] = field(default_factory=dict)
    """What kinds of problem it belongs to, such as {"month": "2024-08"}; rates are told for each kind as well."""
    accepts_programs: bool = False
    """Whether a samples file may give the whole text that is run, tests included, as `program`."""


@dataclass(frozen=True, slots=True)
class Request:
    """The j-th completion asked of a backend for a problem."""

    problem: Problem
    sample_id: int

    @property
    def key(self) -> Key:
        return (self.problem.task_id, self.sample_id)


@dataclass(frozen=True)
class Sampling:
    """Decoding parameters that every generating backend understands. Temperature 0 is greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 768
    seed: int = 0


@dataclass(frozen=True)
class Trace:
    """The denoising of a completion: its output tokens in the order of the text, and when each was fixed."""

    tokens: tuple[str, ...]
    """The text of each output token; joined, they are the completion before it was cut at a stop sequence."""
    steps: tuple[int, ...]
    """The forward pass, counted from 0, after which the token at that place no longer changed."""
    blocks: tuple[int, ...]
    """The block that each token was denoised in, counted from 0."""


@dataclass(frozen=True)
class Completion:
    """What a backend returned for a request. Times are in seconds; what was not measured is None, never zero.

    `text` ends before the first stop sequence. `form` says what it is: a model's answer, which the task's recipe
    turns into a program; a completion, which continues the problem's stem; a solution, which is a whole program; or a
    program that has its tests in it, where the problem accepts that.
    """

    task_id: str
    sample_id: int
    text: str
    form: Literal["answer", "completion", "solution", "program"] = "answer"
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    """Tokens generated up to the first stop sequence or end token; nothing after it counts."""
    characters: int = 0
    started_at: float | None = None
    """Wall-clock time (seconds since the epoch) at which the request was sent or its batch began."""
    first_output_s: float | None = None
    """From the start to the first piece of output, where the backend streams; for diffusion, to the first block."""
    first_output_tokens: int | None = None
    """Tokens in that first piece: a server may send 32 of them at once."""
    prefill_s: float | None = None
    """The part of `total_s` spent on the prompt, where the backend can tell it apart."""
    total_s: float | None = None
    """From the start to the last token; in a batch, to the step at which this row ended."""
    batch: int | None = None
    """How many requests shared the forward passes of this one, where the backend batches them itself."""
    forwards: int | None = None
    """Forward passes of the network after the prompt's own that this row took part in."""
    trace: Trace | None = None
    """How the text came about, where the backend was asked to keep it."""
    finish_reason: str = "stop"
    """stop (a stop sequence or end token), length (the token limit), or what an endpoint says of its own."""
    error: str = ""
    """Why there is no completion: the backend's failure, not the model's. Empty for a real completion."""

    @property
    def key(self) -> Key:
        return (self.task_id, self.sample_id)


@dataclass(frozen=True)
class Limits:
    """What a program may use. `time_s` is measured as on an idle machine (see sandbox/agent/clock.py)."""

    time_s: float
    memory_mb: int = 4096


@dataclass(frozen=True, eq=False)
class Reference:
    """How the expected outputs of a program are made: a trusted program, run once in the sandbox and kept.

    Compared by identity: a task makes one for a problem and hands it to all of its programs.
    """

    source: str
    entry_point: str
    groups: Mapping[str, bytes]
    """Input groups by name, each a list of argument lists encoded by `sandbox.agent.codec`."""
    output_not_none: bool = False
    """Keep only whether each output is not None."""


@dataclass(frozen=True)
class Checks:
    """Text that follows a program's source, on a new line, and decides whether it is right."""

    text: str
    trusted: str = ""
    """Python only: what `text` needs but `entry_point`, for running it where the sample cannot reach it."""
    entry_point: str = ""
    stem: str = ""
    """What the source begins with if it was given with the problem: no sample is suspected for that."""


@dataclass(frozen=True)
class Cases:
    """Test cases in the fields of LiveCodeBench's records, as the data have them: they are read in the sandbox."""

    public: str
    private: str = ""
    function: str = ""
    """What is called on the arguments that a case gives; where it is empty, a program reads and prints text."""


@dataclass(frozen=True)
class Program:
    """What the sandbox runs for a sample.

    `runner` names the agent's way of running it: `exec` runs source and checks to their end in one Python namespace
    and passes if nothing is raised; `calls` loads `source`, calls its entry point on the inputs of `reference` and
    compares what comes back; `cases` has `source` answer test cases one by one; `unittest` runs the class TestCases of
    the checks; `command` runs source and checks by the commands of the image's language.
    `rules` are the runner's settings (guard, stack depth, oracle ...), plain values as in the task card.
    """

    image: str
    runner: Literal["exec", "calls", "cases", "unittest", "command"]
    source: str
    limits: Limits
    rules: Mapping[str, Any] = field(default_factory=dict)
    reference: Reference | None = None
    checks: Checks | None = None
    cases: Cases | None = None


@dataclass(frozen=True)
class Outcome:
    """What happened to one part of a program, such as one group of inputs, in a process of its own."""

    status: Status
    detail: str = ""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    waited_s: float = 0.0
    """Seconds that its threads spent waiting for a free core."""


@dataclass(frozen=True)
class Execution:
    """What happened to a program: one outcome per part, by name, in the order in which they ran.

    A part after a failed one is absent: it was not run. `infrastructure` says why nothing is known, if so.
    """

    parts: Mapping[str, Outcome] = field(default_factory=dict)
    infrastructure: str = ""
    borderline: str = ""
    """Why another run might have ended otherwise; empty for all but a few."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of a sample; one row of `verdicts.jsonl`."""

    task_id: str
    sample_id: int
    passed: bool
    status: Status
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    detail: str = ""
    borderline: str | None = None
    """Why grading it again might give another verdict; absent for all but a few."""
    base_passed: bool | None = None
    """Plus tasks only: whether the original tests pass."""

    @property
    def key(self) -> Key:
        return (self.task_id, self.sample_id)


class Task(Protocol):
    """A benchmark, or one variant of it."""

    name: str

    def problems(self) -> Sequence[Problem]:
        """All problems, in the official order. Raises UserError where the data cannot be had."""
        ...

    def program(self, problem: Problem, completion: Completion) -> Program | None:
        """The program that decides whether the completion solves the problem; None if nothing has to be run."""
        ...

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """The judgement by the official grader's rules; of an empty execution where nothing was run."""
        ...


class Backend(Protocol):
    """A source of completions."""

    name: str

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields one completion per request, in any order, each as soon as it is ready.

        A request that the backend's own machinery failed on, after retries, is yielded with `error` set.
        Raises UserError where nothing can be generated at all (a model that does not load, a refused key).
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Everything about the backend that can change a number, for the manifest. Never a secret."""
        ...

    def close(self) -> None:
        """Frees what the backend holds. Safe to call twice."""
        ...


@runtime_checkable
class Choosy(Protocol):
    """A backend that says beforehand which prompts it can take. One that says nothing takes all but gaps."""

    def accept(self, prompt: Prompt) -> None:
        """Raises UserError for a prompt of a kind that it cannot take. Called once a task, before any work."""
        ...


class Sandbox(Protocol):
    """The thing that runs programs no one trusts."""

    def run(self, program: Program) -> Execution:
        """Runs one program; called from many threads at once. Raises nothing for what the program does."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Engine, image ids and toolchain versions, for the manifest."""
        ...

    def close(self) -> None:
        """Ends every container. Safe to call twice."""
        ...
