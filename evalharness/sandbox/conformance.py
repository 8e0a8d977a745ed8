"""Checks a sandbox engine: guarantees, hostile programs, and a right and a wrong solution in each language."""

from collections.abc import Iterator
from dataclasses import dataclass

from evalharness.errors import UserError
from evalharness.records import Checks, CommandProgram, ExecProgram, Execution, Limits
from evalharness.sandbox.engines.container import Engine
from evalharness.sandbox.engines.guarantees import GUARANTEES
from evalharness.sandbox.languages import languages_by_image
from evalharness.sandbox.pool import SAMPLE_SEED, ContainerPool

LIMITS = Limits(time_s=2.0, memory_mb=1024)
EXPECT_OS_ERROR = """
try:
    {0}
except OSError:
    pass
else:
    raise SystemError("it was allowed")
"""
CHECK_CONTAINER_IS_CLEAN = """
import os
own = {os.getpid()}
others = {int(name) for name in os.listdir("/proc") if name.isdigit()} - own
assert not others, f"processes {others} are left"
assert os.listdir("/tmp") == [str(os.getuid())] and not os.listdir("/dev/shm"), "files are left"
"""
HOSTILE_PROGRAMS = {
    "a program cannot reach the internet": (
        "import socket\n" + EXPECT_OS_ERROR.format("socket.create_connection(('192.0.2.1', 53), 1)"),
        ("passed",),
    ),
    "a program cannot reach services of this machine": (
        "import socket\n" + EXPECT_OS_ERROR.format("socket.create_connection(('127.0.0.1', 22), 1)"),
        ("passed",),
    ),
    "a program can create only sockets of type AF_UNIX": (
        "import socket\nsocket.socketpair()\nfor family in set(range(64)) - {socket.AF_UNIX}:\n"
        "    for kind in range(1, 7):\n"
        "        try: socket.socket(family, kind)\n        except OSError: continue\n"
        "        raise SystemError(f'a socket of family {family}')",
        ("passed",),
    ),
    "a program cannot change device nodes": (
        "import os\nfor name in ('null', 'zero', 'full', 'random', 'urandom', 'tty'):\n"
        "    try: os.utime(f'/dev/{name}')\n    except OSError: continue\n    raise SystemError(name)",
        ("passed",),
    ),
    "a program cannot write outside its folders": (EXPECT_OS_ERROR.format("open('/usr/x', 'w')"), ("passed",)),
    "a program cannot read the agent's memory": (
        EXPECT_OS_ERROR.format("open('/proc/1/mem', 'rb').read(1)"),
        ("passed",),
    ),
    "a program cannot signal the agent or the judge": (
        "import os\n" + "".join(EXPECT_OS_ERROR.format(f"os.kill({pid}, 9)") for pid in ("1", "os.getppid() or 1")),
        ("passed",),
    ),
    "a program cannot become root": ("import os\n" + EXPECT_OS_ERROR.format("os.setuid(0)"), ("passed",)),
    "a program cannot exceed its memory": ("x = bytearray(3 << 30)", ("memory",)),
    "a program cannot fill the disk": (
        "with open('/tmp/a', 'wb') as file:\n    while True: file.write(bytes(1 << 20))",
        ("error",),
    ),
    "a fork bomb is stopped": (
        "import os\ntry:\n    while True: os.fork()\nexcept OSError:\n    while True: pass",
        ("timeout",),
    ),
    "a program that never ends is stopped": ("while True: pass", ("timeout",)),
    "a daemon ends with its program": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(999)\n    os._exit(1)",
        ("passed",),
    ),
    "an early exit with success does not pass": ("import os\nos._exit(0)", ("tampered",)),
}
"""By property: a program that tests it, and the statuses with which it may end. It must leave no processes or files."""


@dataclass(frozen=True)
class EngineCheck:
    """The result of one check of a sandbox engine: whether it passed, what was checked, and why it did not pass."""

    passed: bool
    text: str
    reason: str = ""


def check_guarantees(engine: Engine, image: str) -> Iterator[EngineCheck]:
    """Yields, for each guarantee of the sandbox such as "no network", whether it holds in a new container.

    The container is started from the sandbox image `image`. The sandbox agent, the program that runs inside it, tests
    the guarantees.
    """
    container = engine.start(image, 4096, 1.0, SAMPLE_SEED)
    container.close()
    for name, text in GUARANTEES.items():
        yield EngineCheck(bool(container.hello["guarantees"].get(name)), f"{name}: {text}")


def check_hostile_programs(pool: ContainerPool, image: str) -> Iterator[EngineCheck]:
    """Runs `HOSTILE_PROGRAMS`, which attack the sandbox; yields for each whether the sandbox stopped it.

    A program must end with an expected status and leave no processes or files. `image` is the sandbox image.
    """
    for text, (source, allowed) in HOSTILE_PROGRAMS.items():
        outcome = _status_and_detail_of_last_part(pool.run(_make_python_program(image, source)))
        after = _status_and_detail_of_last_part(pool.run(_make_python_program(image, CHECK_CONTAINER_IS_CLEAN)))
        passed = outcome[0] in allowed and after[0] == "passed"
        yield EngineCheck(
            passed, text, "" if passed else f"{outcome[0]} {outcome[1]}; afterwards {after[0]} {after[1]}"
        )


def _make_python_program(image: str, source: str) -> ExecProgram:
    return ExecProgram(image, source, LIMITS)


def check_language(pool: ContainerPool, image: str) -> EngineCheck:
    """Checks that programs of an image's language run: the right solution of its example problem must pass.

    The wrong solution of the example problem must fail. `image` is the sandbox image of the language.
    """
    language = languages_by_image()[image]
    hello, text = language.hello, f"{language.language}: right passes, wrong fails"
    try:
        pool.prepare([image])
    except UserError as error:
        return EngineCheck(False, text, str(error))
    reasons = []
    for solution, expected in ((hello.right, "passed"), (hello.wrong, "failed")):
        source = hello.prompt + solution
        program = CommandProgram(image, source, Limits(0, 4096), Checks(hello.tests, stem=hello.prompt))
        status, detail = _status_and_detail_of_last_part(pool.run(program))
        if status != expected:
            reasons.append(f"{'right' if expected == 'passed' else 'wrong'} solution: {status} {detail}")
    return EngineCheck(not reasons, text, "; ".join(reasons))


def _status_and_detail_of_last_part(execution: Execution) -> tuple[str, str]:
    if execution.infrastructure:
        return "infrastructure", execution.infrastructure
    last = list(execution.parts.values())[-1]
    return last.status, last.detail
