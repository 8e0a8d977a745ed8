"""The messages between the host and the agent: terms, a job, its secret, then the reply; before the first, a hello.

The agent reads a job's secret only after it has forked the processes that must not know it. `harmless` tells whether
the program's text shows that it can do nothing but compute (evalharness/sandbox/tampering/harmless.py).
"""

from typing import Literal, TypedDict


class JobTerms(TypedDict):
    """First message of a job: whether the processes of its sample get their own namespaces."""

    isolated: bool
    """Whether each process of the sample gets its own namespaces (judge/isolation/namespaces.py)."""


class ProcessSettings(TypedDict):
    """Message fields: how a sample's process is prepared (`evalharness.records.ProcessRules`)."""

    guard: str
    stack_depth: int | None
    address_space_mb: int | None


class CallSettings(TypedDict):
    """Message fields: how calls are limited and their outputs compared (`evalharness.records.CallRules`)."""

    edition: str
    oracle: str
    atol: float
    min_time_s: float
    time_factor: float
    max_time_s: float


class ExecJob(TypedDict):
    """Job message: run a Python program with its checks to the end."""

    kind: Literal["exec"]
    source: str
    """The sample without its checks, for the run in which both have separate processes."""
    split: bool
    """Whether that separate run is needed."""
    harmless: bool
    settings: ProcessSettings
    time_s: float
    memory_mb: int


class ExecSecret(TypedDict):
    """Secret message of an exec job: the checks.

    `program` is the sample followed by its checks. When `checks` run in a separate process, `trusted` defines all names
    that they need except `entry_point`, which is the sample's function.
    """

    program: str
    checks: str
    trusted: str
    entry_point: str


class CallsJob(TypedDict):
    """Job message: call a function on groups of inputs (bytes of `wire.dumps`) and compare the outputs."""

    kind: Literal["calls"]
    source: str
    entry_point: str
    inputs: dict[str, bytes]
    settings: ProcessSettings
    calls: CallSettings
    harmless: bool
    memory_mb: int


class CallsSecret(TypedDict):
    """Secret message of a calls job: the expected outputs, from a reference job, and the reference's source."""

    expected: bytes
    reference: str


class ReferenceJob(TypedDict):
    """Job message: run a reference solution to produce the expected outputs."""

    kind: Literal["reference"]
    source: str
    entry_point: str
    inputs: dict[str, bytes]
    output_not_none: bool
    memory_mb: int


class CasesJob(TypedDict):
    """Job message: run a program on LiveCodeBench's test cases; `case_s` is the time limit of each."""

    kind: Literal["cases"]
    source: str
    function: str
    case_s: float
    harmless: bool
    settings: ProcessSettings
    memory_mb: int


class CasesSecret(TypedDict):
    """Secret message of a cases job: LiveCodeBench's public and private test cases, as in the problem's record."""

    public: str
    private: str


class UnitTestJob(TypedDict):
    """Job message: run a program with its `unittest` suite, at most `right_runs` times."""

    kind: Literal["unittest"]
    right_runs: int
    false_runs: int
    """Most canaries (suites made false) to run."""
    settings: ProcessSettings
    time_s: float
    memory_mb: int


class UnitTestSecret(TypedDict):
    """Secret message of a unittest job: the sample with its tests, and canaries.

    A canary is (program with false tests, number of tests that must fail).
    """

    program: str
    canaries: list[tuple[str, int]]


class ShortcutMessage(TypedDict):
    """Message fields: a step's faster command, for programs that match `begins`."""

    begins: str
    command: list[str]


class StepMessage(TypedDict):
    """Message fields: a step (command) of a language (`evalharness.sandbox.languages.Step`)."""

    name: str
    command: list[str]
    time_s: float
    warm: bool
    shortcut: ShortcutMessage | None


class FailsOnMessage(TypedDict):
    """Message fields: output that makes a step fail (`evalharness.sandbox.languages.FailsOn`)."""

    stderr_contains: list[str]
    output_contains: list[str]
    stderr_not_empty: bool


class CommandRules(TypedDict):
    """Message fields of a command job that depend only on the language."""

    file: str
    piped: bool
    opens: dict[str, int]
    steps: list[StepMessage]
    fails_on: FailsOnMessage


class CommandJob(CommandRules):
    """Job message: run a program by commands, `right_runs` times.

    `canaries` are copies of the program with one check made false in each.
    """

    kind: Literal["command"]
    program: bytes
    right_runs: int
    canaries: list[bytes]
    token: bytes
    """Placeholder for what the program prints after its last check, which the judge draws for each run; empty for a
    program without checks.
    """
    memory_mb: int


class NoSecret(TypedDict):
    """Secret message of a reference or command job, which have no secret."""


Job = ExecJob | CallsJob | ReferenceJob | CasesJob | UnitTestJob | CommandJob
Secret = ExecSecret | CallsSecret | CasesSecret | UnitTestSecret | NoSecret


class Usage(TypedDict):
    """Message fields: resources that a process used. `waited_s`: seconds its threads waited for a free core."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    waited_s: float


class PartResult(Usage):
    """Message fields: outcome and resources of one part of a job, such as a group of inputs or a command."""

    status: str
    detail: str


class Reply(TypedDict):
    """Reply message: results of a job's parts, in the order in which they ran.

    `clean`: whether nothing of the job is left behind.
    """

    parts: dict[str, PartResult]
    clean: bool


class TimeLimitMessage(TypedDict):
    """Message before the reply of some jobs: the job's time limit in seconds."""

    limit_s: float


class HelloMessage(TypedDict):
    """First message of the agent when its container starts: versions, kinds of job it can judge, guarantees."""

    versions: dict[str, str]
    clock: str
    kinds: list[str]
    """The kinds of job that this image can judge."""
    guarantees: dict[str, bool]
    isolates: bool
    """Whether the agent can give processes their own namespaces."""
