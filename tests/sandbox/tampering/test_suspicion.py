"""Plain programs are recognized; programs that use more than their own values are suspicious."""

import importlib
from types import ModuleType

import pytest

from evalharness.adapters import open_task
from evalharness.records import Completion
from evalharness.sandbox.tampering.suspicion import ATTRIBUTES, FUNCTIONS, is_suspicious

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
    assert not is_suspicious(source, TESTS, "f")


@pytest.mark.parametrize("source", SUSPICIOUS)
def test_suspicious(source: str) -> None:
    assert is_suspicious(source, TESTS, "f")


def test_a_sample_may_define_only_the_called_name_that_is_its_entry_point() -> None:
    source = "def helper(x): return x\ndef f(x): return x"
    assert not is_suspicious(source, "assert f(helper(1)) == 1")
    assert is_suspicious(source, "assert f(helper(1)) == 1", "f")


@pytest.mark.parametrize("module", FUNCTIONS)
def test_no_allowed_attribute_is_a_forbidden_module(module: str) -> None:
    loaded = importlib.import_module(module)
    attributes = [getattr(loaded, name, None) for name in ATTRIBUTES]
    assert {attribute.__name__ for attribute in attributes if isinstance(attribute, ModuleType)} <= set(FUNCTIONS)


@pytest.mark.data
@pytest.mark.parametrize(("task", "at_most"), [("humaneval", 6), ("mbpp", 30)])
def test_few_reference_solutions_are_suspicious(task: str, at_most: int, datasets_dir: object) -> None:
    """Each costs a second run: 4 of 164 and 23 of 974."""
    adapter, _ = open_task(task, datasets_dir, {})  # type: ignore[arg-type]
    suspicious = 0
    for problem in adapter.problems():
        program = adapter.program(problem, Completion(problem.task_id, 0, problem.reference, form="solution"))
        assert program.checks
        suspicious += is_suspicious(program.source, program.checks.text, program.checks.entry_point)
    assert 0 < suspicious <= at_most
