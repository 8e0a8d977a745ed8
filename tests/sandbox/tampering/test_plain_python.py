"""Plain programs are recognized; programs that use more than their own values are suspicious."""

import importlib
import time
from types import ModuleType

import pytest

from evalharness.adapters import open_task
from evalharness.records import Completion
from evalharness.sandbox.tampering.allowed_names import (
    ATTRIBUTES,
    DEFAULT_ALLOWED_NAMES,
    FUNCTIONS,
    livecodebench_allowed_names,
    unittest_allowed_names,
)
from evalharness.sandbox.tampering.harmless import can_only_compute
from evalharness.sandbox.tampering.plain_python import python_source_can_only_compute

TESTS = "def check(candidate):\n    assert candidate(1) == 1\ncheck(f)"
PLAIN = [
    "def f(x): return x",
    "import math\nfrom typing import List\ndef f(x: List[int]) -> int:\n    'doc'\n    return math.floor(sum(x))",
    "from collections import Counter, defaultdict\nimport heapq as hq\ndef f(x): return hq.nlargest(1, Counter(x))",
    "def f(x):\n    try: return [y for y in x if y]\n    except ValueError as e: raise KeyError from e",
    "def f(x):\n    sum, list = 0, []\n    return '{:.2f}'.format(sum) + f'{x!r:>10}'",
    "import functools\n@functools.lru_cache(maxsize=None)\ndef f(x): return sorted(x, key=lambda y: -y)",
    "def f(x):\n    if type(x) == int and isinstance(x, int): return x\n    yield from x",
    "import re\ndef f(x): return re.sub(r'__', '', x).strip().split(',')",
]
SUSPICIOUS = [
    "import os\ndef f(x): return x",
    "import sys\ndef f(x): sys.exit(0)",
    "from random import _os\ndef f(x): return x",
    "import random\ndef f(x): return random._os",
    "class A:\n    def __eq__(self, other): return True\ndef f(x): return A()",
    "def f(x): return type(x)(1)",
    "T = type\ndef f(x): return T('A', (int,), {})",
    "def f(x): exit(0)",
    "def f(x): raise SystemExit",
    "def f(x): return eval('x')",
    "def g(exec): pass\ndef f(x): exec('x = 1')",
    "def f(x): return globals()['check']",
    "def f(x): return f.__globals__",
    "def f(x): return '{0.__globals__}'.format(f)",
    "def f(x):\n    t = '{0}'\n    return t.format(x)",
    "def f(x): return (1).__class__",
    "import math\nmath.floor = abs\ndef f(x): return x",
    "def abs(x): return 0\ndef f(x): return x",
    "len = lambda x: 0\ndef f(x): return x",
    "for abs in (): pass\ndef f(x): return x",
    "try: pass\nexcept ValueError as abs: pass\ndef f(x): return x",
    "def check(candidate): pass\ndef f(x): return x",
    "def f(x):\n    global abs\n    abs = f",
    "def f(x):\n    match x:\n        case object(__globals__=g): return g",
    "def f(x): return (abs := x)",
    "def f(x):\n    with x: pass",
    "from functools import singledispatch\ndef f(x): return x",
    "def f(x) return x",
    "def f(x): return \0",
]


@pytest.mark.parametrize("source", PLAIN)
def test_plain(source: str) -> None:
    assert python_source_can_only_compute(source, DEFAULT_ALLOWED_NAMES, TESTS, "f")


@pytest.mark.parametrize("source", SUSPICIOUS)
def test_suspicious(source: str) -> None:
    assert not python_source_can_only_compute(source, DEFAULT_ALLOWED_NAMES, TESTS, "f")


def test_a_sample_may_define_only_the_called_name_that_is_its_entry_point() -> None:
    source = "def helper(x): return x\ndef f(x): return x"
    assert python_source_can_only_compute(source, DEFAULT_ALLOWED_NAMES, "assert f(helper(1)) == 1")
    assert not python_source_can_only_compute(source, DEFAULT_ALLOWED_NAMES, "assert f(helper(1)) == 1", "f")


@pytest.mark.parametrize("module", FUNCTIONS)
def test_no_allowed_attribute_is_a_forbidden_module(module: str) -> None:
    loaded = importlib.import_module(module)
    attributes = [getattr(loaded, name, None) for name in ATTRIBUTES]
    assert {attribute.__name__ for attribute in attributes if isinstance(attribute, ModuleType)} <= set(FUNCTIONS)


ANSWERING = [
    "import sys\ninput = sys.stdin.readline\ndef main():\n    n = int(input())\n    print(n)\nmain()",
    "class Node:\n    def __init__(self, size):\n        self.size = size\n    def double(self): return self.size * 2",
    "class Solution:\n    def f(self, xs: List[int]) -> int:\n        return heappop(xs)",
    "import threading\ndef main(): print(1)\nif __name__ == '__main__':\n    threading.Thread(target=main).start()",
    "from math import *\ndef f(n):\n    global total\n    total = sqrt(n)",
]
NOT_ANSWERING = [
    "print(modules)",  # `from sys import *` is in the prelude
    "def f(modules): pass\nmodules['os'].fork()",
    "import sys\nclass A:\n    def __init__(self): self.modules = 1\nsys.modules['os'].fork()",
    "class A:\n    def gi_frame(self): pass\ng = (1 for _ in ())\ng.gi_frame.f_back",
    "import math\nclass A:\n    def f(self): self.floor = 1\nA.f(math)",
    "import sys\nsys.stdin = 0",
    "class A(Exception): pass",
    "class A:\n    def __getattr__(self, name): pass",
    "class A(metaclass=B): pass",
    "class A:\n    __slots__ = ()",
    "print(open('/proc/self/stat').read())",
    "attrgetter('__globals__')(f)",
    "def f(attrgetter): pass\nattrgetter('__globals__')(f)",
    "def f():\n    global exec\nexec('1')",
    "import sys\nself = sys\nself.size = 1",
]
SUITE = [
    "import numpy as np\nimport pandas as pd\ndef task_func(x):\n    return pd.DataFrame({'a': np.array(x)}).mean()",
    "import matplotlib.pyplot as plt\ndef task_func(x):\n    fig, ax = plt.subplots()\n    ax.hist(x)\n    return ax",
    "import pandas as pd\ndef task_func(df):\n    df.columns = ['a']\n    return df.apply(lambda x: x).agg('mean')",
    "from random import choice, seed\ndef task_func(x):\n    seed(x)\n    return choice([1])",
]
NOT_SUITE = [
    "from sys import modules\ndef task_func(): pass",
    "self = 1\ndef task_func(): pass\nself.getTestCaseNames = task_func",
    "import numpy as np\ndef task_func(): np.testing.assert_allclose = print",
    "import numpy as np\ndef task_func(): return np.testing",
    "import unittest\ndef task_func(): pass",
    "import pandas as pd\ndef task_func(df): return df.apply('to_pickle', args=('a',))",
    "import pandas as pd\ndef task_func(df, name): return df.agg(name)",
    "import pandas as pd\ndef task_func(df): return df.eval('@pd.io')",
    "import pandas as pd\ndef task_func(): return pd.io.common.os",
    "class TestCases: pass\ndef task_func(): pass",
    "def task_func(): return open('x')",
    "import os\ndef task_func(): os._exit(0)",
    "class Any:\n    def __eq__(self, other): return True\ndef task_func(): return Any()",
    "len = abs\ndef task_func(): pass",
    "COLUMNS = []\ndef task_func(): pass",
]
SUITE_TESTS = "class TestCases(unittest.TestCase):\n    def test(self):\n        for name in COLUMNS: task_func(name)"


@pytest.mark.parametrize("source", ANSWERING)
def test_plain_programs_that_answer_cases(source: str) -> None:
    assert python_source_can_only_compute(source, livecodebench_allowed_names())
    assert not python_source_can_only_compute(source)


@pytest.mark.parametrize("source", NOT_ANSWERING)
def test_suspicious_programs_that_answer_cases(source: str) -> None:
    assert not python_source_can_only_compute(source, livecodebench_allowed_names())


@pytest.mark.parametrize("source", SUITE)
def test_plain_programs_with_a_test_suite(source: str) -> None:
    assert python_source_can_only_compute(source, unittest_allowed_names(), SUITE_TESTS, "task_func")


@pytest.mark.parametrize("source", NOT_SUITE)
def test_suspicious_programs_with_a_test_suite(source: str) -> None:
    assert not python_source_can_only_compute(source, unittest_allowed_names(), SUITE_TESTS, "task_func")


@pytest.mark.data
@pytest.mark.parametrize(("task", "at_most"), [("humaneval", 6), ("mbpp", 30)])
def test_few_reference_solutions_are_suspicious(task: str, at_most: int, datasets_dir: object) -> None:
    """Each costs a second run: 4 of 164 and 23 of 974."""
    adapter, _ = open_task(task, datasets_dir, {})  # type: ignore[arg-type]
    suspicious = 0
    for problem in adapter.problems():
        program = adapter.program(problem, Completion(problem.task_id, 0, str(problem.reference), form="solution"))
        assert program
        suspicious += not can_only_compute(program)
    assert 0 < suspicious <= at_most


@pytest.mark.parametrize(
    "unit", ["[1,", "(", "x", "a.b", "-", "lambda:", "'", "\n", "not ", "if x:\n ", "f'{x}'", "1+", "{", "\\\n"]
)
def test_any_text_takes_little_time(unit: str) -> None:
    for size in (60_000, 1_000_000):
        started = time.process_time()
        python_source_can_only_compute(unit * (size // len(unit)), unittest_allowed_names(), SUITE_TESTS, "task_func")
        assert time.process_time() - started < 2
