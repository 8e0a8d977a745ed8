"""The records that pass through a run, as frozen dataclasses in the order in which a run produces them.

Task --problems--> Prompt --Backend--> Completion --Task--> Program --Sandbox--> Execution --Task--> Verdict
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Status = Literal["passed", "failed", "timeout", "memory", "error", "tampered", "infrastructure"]
"""How a program or a sample ended.

failed: a test fails or an output is wrong. error: the program does not compile, raises an exception other than a failed
assertion, or is killed. tampered: it changes its tests or exits before they end. infrastructure: the harness failed, so
that there is no judgement.
"""
STATUSES: tuple[Status, ...] = ("passed", "failed", "timeout", "memory", "error", "tampered", "infrastructure")

Key = tuple[str, int]
"""The identity of a sample: (task_id, sample_id)."""

MiddleLength = Literal["free", "oracle", "canvas", "search"]
"""How the length of an infilled middle is determined. It affects the score of a model that denoises a canvas.

free: the model generates from left to right until its end token. oracle: the middle has as many tokens as the
reference's, which reveals a part of the answer. canvas: always `max_new_tokens`, cut at the first end token. search:
the backend searches for the length, up to `max_new_tokens`.
"""


@dataclass(frozen=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Oracle:
    """Reveals the length of the reference's middle, and never its text."""

    _text: str = field(repr=False)

    def length(self, count: Callable[[str], int]) -> int:
        """Returns the length of the reference's middle by `count`, for example a tokenizer's number of tokens."""
        return count(self._text)


@dataclass(frozen=True)
class Prompt:
    """What a backend receives for a problem: text to continue, chat messages, or prefix and suffix to infill.

    Exactly one of `text` and `messages` is set. The output ends before the first stop sequence.
    """

    text: str | None = None
    """The text to continue; for infilling, the prefix."""
    messages: tuple[Message, ...] = ()
    prefill: str = ""
    """The beginning of the assistant's answer, for backends that can continue one. The completion excludes it."""
    stops: tuple[str, ...] = ()
    """Stop sequences."""
    suffix: str | None = None
    """Infilling only: the text after the middle. None for a prompt that is continued or answered."""
    middle_length: MiddleLength = "free"
    """Infilling only: how the length of the middle is determined."""
    oracle: Oracle | None = None
    """Set only where `middle_length` is "oracle"."""


@dataclass(frozen=True)
class Problem:
    """One item of a task."""

    task_id: str
    prompt: Prompt
    record: Mapping[str, Any]
    """The item as the benchmark's data file has it."""
    reference: str | None
    """The official solution as a whole program; None where none is published."""
    entry_point: str = ""
    """The function that the tests call; empty if there is none."""
    prefix: str = ""
    """The program text before a completion."""
    suffix: str = ""
    """The program text after a completion; empty except for infilling."""
    facets: Mapping[str, str] = field(default_factory=dict)
    """The problem's categories, such as {"month": "2024-08"}. Reports show a pass rate for each."""
    accepts_programs: bool = False
    """Whether a row of a samples file may have `program`: the complete text to run, tests included."""


@dataclass(frozen=True, slots=True)
class Request:
    """Asks a backend for the completion number `sample_id` of a problem, counted from 0."""

    problem: Problem
    sample_id: int

    @property
    def key(self) -> Key:
        return (self.problem.task_id, self.sample_id)


@dataclass(frozen=True)
class Sampling:
    """The sampling parameters of every generating backend."""

    temperature: float = 0.0
    """0 selects the most probable token (greedy decoding)."""
    top_p: float = 1.0
    """Nucleus sampling: the probability mass of the tokens to sample from; 1 for all."""
    max_new_tokens: int = 768
    seed: int = 0


@dataclass(frozen=True)
class Trace:
    """The denoising history of a completion: one entry per output token, in the order of the text."""

    tokens: tuple[str, ...]
    """The text of each token. Joined, they are the completion before the cut at a stop sequence."""
    steps: tuple[int, ...]
    """The forward pass after which each token no longer changes, counted from 0."""
    blocks: tuple[int, ...]
    """The block of each token, counted from 0."""


@dataclass(frozen=True)
class Completion:
    """What a backend returns for a request; one row of `completions.jsonl`.

    Times are in seconds. A value that was not measured is None, never zero.
    """

    task_id: str
    sample_id: int
    text: str
    """The generated text, up to the first stop sequence."""
    form: Literal["answer", "completion", "solution", "program"] = "answer"
    """How the task makes a program of the text.

    answer: the task's recipe extracts the program from it. completion: it stands between the problem's prefix and
    suffix. solution: it is a whole program. program: a whole program with its tests, where the problem accepts one.
    """
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    """Tokens generated up to the first stop sequence or end token. Later ones do not count."""
    characters: int = 0
    """Length of the generated text."""
    started_at: float | None = None
    """When the request was sent, or its batch began: seconds since the epoch."""
    first_output_s: float | None = None
    """Time from the start to the first chunk of output: TTFT for AR; for diffusion, the end of the first block."""
    first_output_tokens: int | None = None
    """Tokens in the first chunk. A server may send many at once."""
    prefill_s: float | None = None
    """The part of `total_s` spent on the prompt, where the backend can separate it."""
    total_s: float | None = None
    """End-to-end latency: time from the start to the last token; in a batch, to the step that ends this row."""
    batch: int | None = None
    """Number of requests that share this one's forward passes, where the backend itself makes batches."""
    forwards: int | None = None
    """Forward passes (NFE) that produce this completion, without those of the prompt's prefill."""
    accepted_drafts: int | None = None
    """Speculative decoding: drafted tokens that the target accepted. None without drafts."""
    rejected_drafts: int | None = None
    """Speculative decoding: drafted tokens that the target rejected, those after a rejected one included."""
    trace: Trace | None = None
    """The denoising history, where the backend is asked to keep it."""
    finish_reason: str = "stop"
    """stop (a stop sequence or end token), length (the token limit), or a value of an endpoint's own."""
    error: str = ""
    """Why the backend failed to produce a completion; empty for a real completion."""

    @property
    def key(self) -> Key:
        return (self.task_id, self.sample_id)


@dataclass(frozen=True)
class Limits:
    """What a program may use. `time_s` does not count waiting for a free core (sandbox/agent/shared/clock.py)."""

    time_s: float
    memory_mb: int = 4096


@dataclass(frozen=True)
class ProcessRules:
    """How the process of a Python program is prepared, so that it runs as under the official grader."""

    guard: str = ""
    """The official grader whose restrictions apply (sandbox/agent/sample/guard.py); empty for none."""
    stack_depth: int | None = None
    """The stack frames that the official grader has below the program; None leaves Python's recursion limit alone."""
    address_space_mb: int | None = None
    """The limit of the address space; None for the memory limit."""

    @classmethod
    def of(cls, rules: Mapping[str, Any]) -> "ProcessRules":
        """The rules of a task card that concern the process."""
        return cls(rules.get("guard", ""), rules.get("stack_depth"), rules.get("address_space_mb"))


@dataclass(frozen=True)
class CallRules:
    """How EvalPlus limits the calls of an entry point and compares what they return."""

    edition: Literal["0.2", "0.3"]
    """The release of EvalPlus whose comparison applies."""
    min_time_s: float
    """The least time limit of a call."""
    time_factor: float
    """The time limit of a call is this many times the reference solution's time, but at least `min_time_s`."""
    max_time_s: float
    """The time limit of all calls together."""
    oracle: str = ""
    """The comparison that EvalPlus makes for this entry point alone (sandbox/agent/judge/comparison.py)."""
    atol: float = 0.0
    """The absolute tolerance; 0 compares exactly, except where floats are expected."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A trusted program that produces the expected outputs. It runs once in the sandbox; the outputs are cached.

    Compared by identity: a task makes one reference per problem and shares it between the problem's programs.
    """

    source: str
    entry_point: str
    groups: Mapping[str, bytes]
    """Input groups by name, each a list of argument lists encoded by `sandbox.agent.shared.wire.dumps`."""
    output_not_none: bool = False
    """Keep only whether each output is not None."""


@dataclass(frozen=True)
class Checks:
    """Text that follows a program's source on a new line and decides whether the program is right."""

    text: str
    trusted: str = ""
    """Python only: the definitions that `text` needs besides `entry_point`, to run `text` in its own process."""
    entry_point: str = ""
    stem: str = ""
    """The part of the source that came with the problem. It never makes a sample suspicious."""


@dataclass(frozen=True)
class Cases:
    """Test cases in the fields of LiveCodeBench's records, undecoded: the judge in the sandbox reads them."""

    public: str
    private: str = ""
    function: str = ""
    """The function that is called with a case's arguments; empty for a program that reads stdin and prints."""


@dataclass(frozen=True)
class ExecProgram:
    """Python source and checks that run in one namespace. It passes if they reach their end without an exception."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules = ProcessRules()
    checks: Checks | None = None


@dataclass(frozen=True)
class CallsProgram:
    """Python source whose entry point is called on the reference's inputs. The outputs are compared in the judge."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules
    calls: CallRules
    reference: Reference


@dataclass(frozen=True)
class CasesProgram:
    """Python source that answers test cases one by one, as under LiveCodeBench's grader."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules
    cases: Cases


@dataclass(frozen=True)
class UnitTestProgram:
    """Python source with checks that define a `unittest` class named TestCases."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules
    checks: Checks


@dataclass(frozen=True)
class CommandProgram:
    """Source and checks that the commands of the image's language compile and run (`sandboxes/*/language.yaml`).

    The language's steps set the time limits; `limits.time_s` is their sum, for information.
    """

    image: str
    source: str
    limits: Limits
    checks: Checks | None = None


Program = ExecProgram | CallsProgram | CasesProgram | UnitTestProgram | CommandProgram
"""What the sandbox runs for a sample."""


@dataclass(frozen=True)
class Outcome:
    """What happened to one part of a program, such as one group of inputs, in its own process."""

    status: Status
    detail: str = ""
    """The error message or the first difference; empty for a pass."""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    """Peak memory use, in MB."""
    waited_s: float = 0.0
    """Seconds that its threads spent waiting for a free core."""


@dataclass(frozen=True)
class Execution:
    """What happened to a program: one outcome per part, by name, in the order in which the parts ran.

    Parts after a failed one did not run and are absent.
    """

    parts: Mapping[str, Outcome] = field(default_factory=dict)
    infrastructure: str = ""
    """Why the harness could not run the program; empty if it could."""
    borderline: str = ""
    """Why another run might end differently; empty for nearly all programs."""


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
    """The error message or the first difference; empty for a pass."""
    borderline: str | None = None
    """Why another grading might have another result; absent for nearly all samples."""
    base_passed: bool | None = None
    """EvalPlus only: whether the original benchmark's tests pass."""

    @property
    def key(self) -> Key:
        return (self.task_id, self.sample_id)


class Task(Protocol):
    """A benchmark, or one variant of it. Adapters implement it."""

    name: str

    def problems(self) -> Sequence[Problem]:
        """Returns all problems in the official order. Raises UserError where the data are malformed."""
        ...

    def program(self, problem: Problem, completion: Completion) -> Program | None:
        """Returns the program whose execution decides the verdict; None where the text alone decides."""
        ...

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the judgement by the official grader's rules. `execution` is empty if no program ran."""
        ...


class Backend(Protocol):
    """A source of completions (see also `SupportsPromptCheck`)."""

    name: str

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields one completion per request, in any order, each as soon as it is ready.

        If the backend itself fails on a request, after retries, the completion has `error` set. Raises UserError if
        nothing can be generated at all, for example because the model cannot be loaded or the key is refused.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Returns everything about the backend that can change a number, for the manifest. Contains no secrets."""
        ...

    def close(self) -> None:
        """Frees the backend's resources. Safe to call twice."""
        ...


@runtime_checkable
class SupportsPromptCheck(Protocol):
    """A backend that checks prompts before the run. A backend without this method takes all but infilling prompts."""

    def accept(self, prompt: Prompt) -> None:
        """Raises UserError for a kind of prompt that the backend cannot take. Called once per task, before any work."""
        ...


class Sandbox(Protocol):
    """Runs untrusted programs in isolation."""

    def run(self, program: Program) -> Execution:
        """Runs one program and returns what happened. Thread-safe. The program cannot cause an exception here."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Returns engine, image ids and toolchain versions, for the manifest."""
        ...

    def close(self) -> None:
        """Stops all containers. Safe to call twice."""
        ...
