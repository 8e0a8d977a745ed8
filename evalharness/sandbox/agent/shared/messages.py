"""The messages between the host and the agent: first the agent's hello; per job: isolation, job, hidden tests, reply.

The agent reads a job's hidden tests only after it has forked the processes that must not know them. `harmless` tells
whether the program's text shows that it can do nothing but compute (evalharness/sandbox/tampering/harmless.py).
"""

from typing import Literal, TypedDict


class JobIsolation(TypedDict):
    """First message about a job, before the job message: how the agent isolates the sample's processes."""

    isolated: bool
    """Whether each process of the sample gets its own namespaces (judge/isolation/namespaces.py)."""


class ProcessSettings(TypedDict):
    """Part of a job message: how to prepare a sample's process (see `evalharness.records.ProcessRules`)."""

    guard: str
    stack_depth: int | None
    address_space_mb: int | None


class CallSettings(TypedDict):
    """Part of a job message: how to limit the time of calls and compare their outputs.

    See `evalharness.records.EvalPlusCallRules`.
    """

    edition: str
    oracle: str
    atol: float
    min_time_s: float
    time_factor: float
    max_time_s: float


class ExecJob(TypedDict):
    """Job message: run a Python program, which contains its checks, to its end."""

    kind: Literal["exec"]
    source: str
    """The sample without its checks, for the run in which both have separate processes."""
    split: bool
    """Whether to run the sample and its checks also in two separate processes."""
    harmless: bool
    settings: ProcessSettings
    time_s: float
    memory_mb: int


class ExecHiddenTests(TypedDict):
    """Hidden tests of an `ExecJob`, a message that the agent reads after it has forked the sample's processes.

    `program` is the sample followed by its checks. When `checks` run in a separate process, `trusted` defines all names
    that they need except `entry_point`, which is the sample's function.
    """

    program: str
    checks: str
    trusted: str
    entry_point: str


class CallsJob(TypedDict):
    """Job message: call a function on groups of inputs and compare the outputs.

    `inputs` has the inputs of each group, encoded by `wire.dumps`.
    """

    kind: Literal["calls"]
    source: str
    entry_point: str
    inputs: dict[str, bytes]
    settings: ProcessSettings
    calls: CallSettings
    harmless: bool
    memory_mb: int


class CallsHiddenTests(TypedDict):
    """Hidden tests of a `CallsJob`: expected outputs (recorded by a `ReferenceJob`) and the reference solution."""

    expected: bytes
    reference: str


class ReferenceJob(TypedDict):
    """Job message: run a reference solution on groups of inputs to record the expected outputs."""

    kind: Literal["reference"]
    source: str
    entry_point: str
    inputs: dict[str, bytes]
    output_not_none: bool
    memory_mb: int


class CasesJob(TypedDict):
    """Job message: run a program on LiveCodeBench's test cases; `case_s` is the time limit of each in seconds."""

    kind: Literal["cases"]
    source: str
    function: str
    case_s: float
    harmless: bool
    settings: ProcessSettings
    memory_mb: int


class CasesHiddenTests(TypedDict):
    """Hidden tests of a `CasesJob`: public and private test cases, as in LiveCodeBench's record of the problem."""

    public: str
    private: str


class UnitTestJob(TypedDict):
    """Job message: run a program with its `unittest` suite up to `right_runs` times, and once with each false suite."""

    kind: Literal["unittest"]
    right_runs: int
    false_runs: int
    """Most canaries (suites made false) to run."""
    settings: ProcessSettings
    time_s: float
    memory_mb: int


class UnitTestHiddenTests(TypedDict):
    """Hidden tests of a `UnitTestJob`: the sample with its tests, and its canaries.

    A canary is a pair: the sample with false tests, and the number of tests that must fail.
    """

    program: str
    canaries: list[tuple[str, int]]


class ShortcutMessage(TypedDict):
    """Part of a message: a step's faster command, for programs whose text begins with a match of the regex `begins`."""

    begins: str
    command: list[str]


class StepMessage(TypedDict):
    """Part of a message: one command (compile, run ...) that judges programs of a language.

    See `evalharness.sandbox.languages.CompileOrRunStep`.
    """

    name: str
    command: list[str]
    time_s: float
    warm: bool
    shortcut: ShortcutMessage | None


class FailureOutputMessage(TypedDict):
    """Part of a message: output by which a step counts as failed although its command exits with code 0.

    See `evalharness.sandbox.languages.FailureOutput`.
    """

    stderr_contains: list[str]
    output_contains: list[str]
    stderr_not_empty: bool


class LanguageRules(TypedDict):
    """The part of a `CommandJob` message that depends only on the programming language."""

    file: str
    piped: bool
    opens: dict[str, int]
    steps: list[StepMessage]
    fails_on: FailureOutputMessage


class CommandJob(LanguageRules):
    """Job message: run a program of any language by its commands, `right_runs` times.

    `canaries` are copies of the program, each with one check made false.
    """

    kind: Literal["command"]
    program: bytes
    right_runs: int
    canaries: list[bytes]
    token: bytes
    """Placeholder in the program for the secret that the program prints after its last check, and which the judge draws
    for each run; empty for a program without checks.
    """
    memory_mb: int


class NoHiddenTests(TypedDict):
    """Empty message instead of hidden tests, for a `ReferenceJob` or `CommandJob`."""


Job = ExecJob | CallsJob | ReferenceJob | CasesJob | UnitTestJob | CommandJob
HiddenTests = ExecHiddenTests | CallsHiddenTests | CasesHiddenTests | UnitTestHiddenTests | NoHiddenTests


class ResourceUsage(TypedDict):
    """Part of a message: resources that a process used. `waited_s`: seconds that it waited for a free core."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    waited_s: float


class JobPartResult(ResourceUsage):
    """Part of a message: outcome and used resources of one part of a job, such as a group of inputs or a command."""

    status: str
    detail: str


class ReplyMessage(TypedDict):
    """Reply of the agent to a job: the results of the job's parts, in the order in which they ran.

    `clean`: whether all processes and files of the job could be removed.
    """

    parts: dict[str, JobPartResult]
    clean: bool


class TimeLimitMessage(TypedDict):
    """Message of the agent before its reply to some jobs: the job's time limit in seconds."""

    limit_s: float


class HelloMessage(TypedDict):
    """First message of the agent after its container starts: tool versions, supported kinds of job, guarantees."""

    versions: dict[str, str]
    clock: str
    kinds: list[str]
    """The kinds of job that this image can judge."""
    guarantees: dict[str, bool]
    isolates: bool
    """Whether the agent can give processes their own namespaces."""
