"""Tries an engine: what it guarantees here, and whether each language passes what is right and fails what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

from evalharness.errors import UserError
from evalharness.records import Checks, CommandProgram, ExecProgram, Execution, Limits
from evalharness.sandbox.engines.container import Engine
from evalharness.sandbox.engines.guarantees import GUARANTEES
from evalharness.sandbox.languages import languages
from evalharness.sandbox.pool import SAMPLE_SEED, ContainerPool

LIMITS = Limits(time_s=2.0, memory_mb=1024)
REFUSED = """
try:
    {0}
except OSError:
    pass
else:
    raise SystemError("it was not refused")
"""
FRESH = """
import os
own = {1, os.getpid(), os.getppid()}
others = {int(name) for name in os.listdir("/proc") if name.isdigit()} - own
assert not others, f"processes {others} are left"
assert os.listdir("/tmp") == [str(os.getuid())] and not os.listdir("/dev/shm"), "files are left"
"""
TRIALS = {
    "a program cannot reach the internet": (
        "import socket\n" + REFUSED.format("socket.create_connection(('192.0.2.1', 53), 1)"),
        ("passed",),
    ),
    "nor anything that listens on this machine": (
        "import socket\n" + REFUSED.format("socket.create_connection(('127.0.0.1', 22), 1)"),
        ("passed",),
    ),
    "it cannot write outside its folders": (REFUSED.format("open('/usr/x', 'w')"), ("passed",)),
    "it cannot read the agent's memory": (REFUSED.format("open('/proc/1/mem', 'rb').read(1)"), ("passed",)),
    "it cannot signal the agent or the judge": (
        "import os\n" + "".join(REFUSED.format(f"os.kill({pid}, 9)") for pid in ("1", "os.getppid()")),
        ("passed",),
    ),
    "it cannot become root": ("import os\n" + REFUSED.format("os.setuid(0)"), ("passed",)),
    "it cannot have more memory": ("x = bytearray(3 << 30)", ("memory",)),
    "it cannot fill the disk": (
        "with open('/tmp/a', 'wb') as file:\n    while True: file.write(bytes(1 << 20))",
        ("error",),
    ),
    "a fork bomb ends": (
        "import os\ntry:\n    while True: os.fork()\nexcept OSError:\n    while True: pass",
        ("timeout",),
    ),
    "a program that never ends is ended": ("while True: pass", ("timeout",)),
    "a daemon does not outlive its program": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(999)\n    os._exit(1)",
        ("passed",),
    ),
    "leaving early with success is no success": ("import os\nos._exit(0)", ("tampered",)),
}
"""What is tried, the program, and how it must end. After each one the sandbox must be as good as new."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    good: bool
    text: str
    reason: str = ""


def check_guarantees(engine: Engine, image: str) -> Iterator[Finding]:
    """What the agent in a fresh container sees of what confines it."""
    container = engine.start(image, 4096, 1.0, SAMPLE_SEED)
    container.close()
    for name, text in GUARANTEES.items():
        yield Finding(bool(container.hello["guarantees"].get(name)), f"{name}: {text}")


def check_trials(pool: ContainerPool, image: str) -> Iterator[Finding]:
    """What happens to programs that try something, and what they leave behind."""
    for text, (source, wanted) in TRIALS.items():
        found = _status(pool.run(_python(image, source)))
        after = _status(pool.run(_python(image, FRESH)))
        good = found[0] in wanted and after[0] == "passed"
        yield Finding(good, text, "" if good else f"{found[0]} {found[1]}; afterwards {after[0]} {after[1]}")


def _python(image: str, source: str) -> ExecProgram:
    return ExecProgram(image, source, LIMITS)


def check_language(pool: ContainerPool, image: str) -> Finding:
    """Whether the right solution of the language's hello-world problem passes and the wrong one fails."""
    language = languages()[image]
    hello, text = language.hello, f"{language.language}: right passes, wrong fails"
    try:
        pool.prepare([image])
    except UserError as error:
        return Finding(False, text, str(error))
    reasons = []
    for solution, wanted in ((hello.right, "passed"), (hello.wrong, "failed")):
        source = hello.prompt + solution
        program = CommandProgram(image, source, Limits(0, 4096), Checks(hello.tests, stem=hello.prompt))
        status, detail = _status(pool.run(program))
        if status != wanted:
            reasons.append(f"{'right' if wanted == 'passed' else 'wrong'} one: {status} {detail}")
    return Finding(not reasons, text, "; ".join(reasons))


def _status(execution: Execution) -> tuple[str, str]:
    if execution.infrastructure:
        return "infrastructure", execution.infrastructure
    last = list(execution.parts.values())[-1]
    return last.status, last.detail
