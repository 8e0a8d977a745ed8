"""The messages between the host and the agent: terms, a job, its secret, then the reply; before the first, a hello.

The agent reads a job's secret only after it has forked the processes that must not know it. `harmless` tells whether
the program's text shows that it can do nothing but compute (evalharness/sandbox/tampering/harmless.py).
"""

from typing import Literal, TypedDict


class Terms(TypedDict):
    """How a job is run, whatever its kind."""

    isolated: bool
    """Whether each process of the sample gets its own namespaces (judge/isolation/namespaces.py)."""


class ProcessSettings(TypedDict):
    """How a sample's process is prepared (`evalharness.records.ProcessRules`)."""

    guard: str
    stack_depth: int | None
    address_space_mb: int | None


class CallSettings(TypedDict):
    """How calls are limited and their outputs compared (`evalharness.records.CallRules`)."""

    edition: str
    oracle: str
    atol: float
    min_time_s: float
    time_factor: float
    max_time_s: float


class ExecJob(TypedDict):
    """Runs source and checks to their end."""

    kind: Literal["exec"]
    source: str
    """The sample without its checks, for the run in which both have separate processes."""
    split: bool
    """Whether that run is needed."""
    harmless: bool
    settings: ProcessSettings
    time_s: float
    memory_mb: int


class ExecSecret(TypedDict):
    """`program` is the sample with its checks; `checks` alone need `trusted`, which defines all but `entry_point`."""

    program: str
    checks: str
    trusted: str
    entry_point: str


class CallsJob(TypedDict):
    """Calls an entry point on groups of inputs (bytes of `wire.dumps`) and compares the outputs."""

    kind: Literal["calls"]
    source: str
    entry_point: str
    inputs: dict[str, bytes]
    settings: ProcessSettings
    calls: CallSettings
    harmless: bool
    memory_mb: int


class CallsSecret(TypedDict):
    """The expected outputs as a reference job returned them, and the reference's source."""

    expected: bytes
    reference: str


class ReferenceJob(TypedDict):
    """Produces the expected outputs of a trusted program."""

    kind: Literal["reference"]
    source: str
    entry_point: str
    inputs: dict[str, bytes]
    output_not_none: bool
    memory_mb: int


class CasesJob(TypedDict):
    """Runs a program on LiveCodeBench's test cases; `case_s` is the time limit of each."""

    kind: Literal["cases"]
    source: str
    function: str
    case_s: float
    harmless: bool
    settings: ProcessSettings
    memory_mb: int


class CasesSecret(TypedDict):
    """The test cases, in the fields of the problem's record."""

    public: str
    private: str


class UnitTestJob(TypedDict):
    """Runs a `unittest` class, with the right tests at most `right_runs` times."""

    kind: Literal["unittest"]
    right_runs: int
    false_runs: int
    """The number of canaries at most."""
    settings: ProcessSettings
    time_s: float
    memory_mb: int


class UnitTestSecret(TypedDict):
    """The sample with its tests, and canaries: (program with false tests, number of tests that must fail)."""

    program: str
    canaries: list[tuple[str, int]]


class ShortcutMessage(TypedDict):
    """A faster command for programs that match `begins`."""

    begins: str
    command: list[str]


class StepMessage(TypedDict):
    """A step of a language (`evalharness.sandbox.languages.Step`)."""

    name: str
    command: list[str]
    time_s: float
    warm: bool
    shortcut: ShortcutMessage | None


class FailsOnMessage(TypedDict):
    """Output that makes a step fail (`evalharness.sandbox.languages.FailsOn`)."""

    stderr_contains: list[str]
    output_contains: list[str]
    stderr_not_empty: bool


class CommandRules(TypedDict):
    """What a language decides about a command job."""

    file: str
    piped: bool
    opens: dict[str, int]
    steps: list[StepMessage]
    fails_on: FailsOnMessage


class CommandJob(CommandRules):
    """Runs a program by commands, `right_runs` times. `canaries` are the same program with one false check each."""

    kind: Literal["command"]
    program: bytes
    right_runs: int
    canaries: list[bytes]
    token: bytes
    """Stands for what the program prints after its last check, which the judge draws for each run; empty for a program
    without checks."""
    memory_mb: int


class NoSecret(TypedDict):
    """The secret of a reference or command job, which have none."""


Job = ExecJob | CallsJob | ReferenceJob | CasesJob | UnitTestJob | CommandJob
Secret = ExecSecret | CallsSecret | CasesSecret | UnitTestSecret | NoSecret


class Usage(TypedDict):
    """What a process used. `waited_s`: seconds that its threads waited for a free core."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    waited_s: float


class PartResult(Usage):
    """The outcome of one part of a job (`evalharness.records.Outcome`)."""

    status: str
    detail: str


class Reply(TypedDict):
    """The results of a job's parts, in the order in which they ran, and whether nothing of the job is left behind."""

    parts: dict[str, PartResult]
    clean: bool


class Limit(TypedDict):
    """What the agent may send before the reply: the time limit of the job, in seconds."""

    limit_s: float


class Hello(TypedDict):
    """What the agent reports of its container when it starts."""

    versions: dict[str, str]
    clock: str
    kinds: list[str]
    """The kinds of job that this image can judge."""
    guarantees: dict[str, bool]
    isolates: bool
    """Whether the agent can give processes their own namespaces."""
