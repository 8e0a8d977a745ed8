"""The sanitizer equals EvalPlus's and takes a fraction of its time."""

import time

import pytest
from evalplus.sanitize import code_extract
from evalplus.sanitize import sanitize as official
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.adapters.extraction import sanitizer
from evalharness.adapters.extraction.sanitizer import (
    longest_parsable_lines,
    sanitize_like_bigcodebench,
    sanitize_like_evalplus,
)

PROSE = ["", " ", "Here is the code:", "It's done.", "```python", "```", "    ```", "a b", "$", "“quoted”", "# comment"]
STATEMENTS = ["x = 1", "y: int = 3", "import os", "return", "print 'hi'", "1 = x", "f(a=1, 2)", "a := 1", "é = 2", "x;"]
BLOCKS = ["def f(a):", "    return a", "\treturn a", "  return a", "@deco", "class A:", "    pass", "if x:", "else:"]
MORE_BLOCKS = [
    "async def g():",
    "    await x",
    "match x:",
    "    case 1:",
    "        pass",
    "try:",
    "except:",
    "    # in",
]
OPEN = [
    "    x = (",
    ")",
    "    )",
    "foo(",
    "bar]",
    "y = [1,",
    "2]",
    "x = {'a': 1",
    "}",
    "from x import (",
    "a,",
    "x = 1 \\",
]
STRINGS = [
    '"""',
    '    """doc',
    'text """',
    "'''",
    "'unclosed",
    'f"{x}"',
    'f"{x y}"',
    'f"{"',
    "    f'''{",
    "}'''",
    "{a b}",
]
ODD = ["\\", "+ 2", "\x0c", "x = 1\r", "a = 1\rb = (", "0777", "\u00a0x = 1", "\ufeffx = 1", "def f(a, a):", "None = 1"]
TEXTS = st.lists(st.sampled_from(PROSE + STATEMENTS + BLOCKS + MORE_BLOCKS + OPEN + STRINGS + ODD), max_size=14).map(
    "\n".join
)


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_the_longest_run_equals_the_official_one(text: str) -> None:
    assert longest_parsable_lines(text) == code_extract(text)


@settings(deadline=None, max_examples=150)
@given(TEXTS, st.sampled_from(["f", "A", "g", "none"]))
def test_sanitize_equals_the_package(text: str, entry_point: str) -> None:
    assert sanitize_like_evalplus(text, entry_point) == official(text, entry_point)


ANSWER = """Let's see: f(x) needs (a helper

```python
import math
from typing import List

LIMIT = 3
UNUSED = 4

def helper(x):
    return min(x, LIMIT)

def nothing(x):
    print(x)

class Kept:
    limit = 1

def f(x: List[int]):
    return helper(x[0]) + Kept.limit

print(f([1]))
```

It's O(n).
"""


def test_an_answer() -> None:
    kept = sanitize_like_evalplus(ANSWER, "f")
    assert kept == official(ANSWER, "f")
    for word in ("import math", "from typing", "LIMIT = 3", "def helper", "class Kept", "def f("):
        assert word in kept
    for word in ("UNUSED", "nothing", "print", "It's", "```"):
        assert word not in kept


def test_terminal_escape_codes_are_removed() -> None:
    """Newer releases of the package remove them before the search; 0.3.1 does not."""
    coloured = ANSWER.replace("def f(", "\x1b[1;32mdef\x1b[0m f(").replace("import", "\x1b[31mimport\x1b[0m")
    assert sanitize_like_evalplus(coloured, "f") == sanitize_like_evalplus(ANSWER, "f")
    assert "\x1b" not in longest_parsable_lines("\x1b[2Kplain text here\x1b[0m")


def test_text_in_which_nothing_parses() -> None:
    for text in ("", "I cannot.", "I cannot do\nthat for you", "x = ("):
        assert sanitize_like_evalplus(text, "f") == official(text, "f")


FUNCTION = "def f(x):\n    y = [\n        1,\n        x,\n    ]\n    return sum(y)\n"
THOUGHT = ["First, let's think (about this", "We need f(x) = x + 1, so it's", "1. Read", "- item", "Hmm", "x = [1, 2"]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join([*THOUGHT * 30, "```python", FUNCTION, "```", *THOUGHT * 35]),
        FUNCTION * 66 + "x = (",
        "\n".join([FUNCTION, "oops here"] * 50),
        "\n".join(["it's", "x = 1"] * 200),
        "\n".join(["Wait, is that right?", "Let me see."] * 200),
        "\n".join(["x = 1", 'y = """', "a"] * 133),
        "\n".join([" " * depth + "if x:" for depth in range(90)] * 4),
    ],
    ids=["transcript", "unclosed end", "broken often", "quotes", "prose", "open strings", "nested"],
)
def test_a_long_answer_takes_less_than_a_second_of_cpu_time(text: str) -> None:
    start = time.process_time()
    sanitize_like_evalplus(text, "f")
    assert time.process_time() - start < 1


def test_an_answer_that_repeats_an_open_bracket_takes_less_than_a_second_of_cpu_time() -> None:
    """A model that repeats itself up to its token limit produces such text. It is the most expensive case."""
    start = time.process_time()
    sanitize_like_evalplus("\n".join(["x = ("] * 200), "f")
    assert time.process_time() - start < 1


BIG = """Here you are:
```python
import os
LIMIT = 3

def unused():
    pass

def task_func(x):
    print(x + LIMIT)

{}
```
"""


def test_bigcodebench_keeps_functions_without_return() -> None:
    kept = sanitize_like_bigcodebench(BIG.format(""), "task_func")
    assert kept == "import os\nLIMIT = 3\ndef task_func(x):\n    print(x + LIMIT)"
    assert "def task_func" not in sanitize_like_evalplus(BIG.format(""), "task_func")


def test_bigcodebench_removes_trailing_calls() -> None:
    """Unindented lines at the end are removed from the first that contains the entry point."""
    kept = sanitize_like_bigcodebench(BIG.format("task_func = decorated(task_func)"), "task_func")
    assert kept.endswith("print(x + LIMIT)")
    assert sanitize_like_bigcodebench("nothing (here", "task_func") == "nothing (here"


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(PROSE + STATEMENTS + BLOCKS + MORE_BLOCKS + OPEN + STRINGS + ODD), min_size=9, max_size=60)
)
def test_the_first_lines_of_a_run_decide_as_the_whole_run_does(lines: list[str]) -> None:
    text = "\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        found = []
        for size in (sanitizer.FIRST_LINE_COUNT, len(lines)):
            patch.setattr(sanitizer, "FIRST_LINE_COUNT", size)
            sanitizer.longest_parsable_lines.cache_clear()
            found.append(sanitizer.longest_parsable_lines(text))
    sanitizer.longest_parsable_lines.cache_clear()
    assert found[0] == found[1]


def test_reasoning_of_over_100_kb_takes_less_than_a_second_of_cpu_time() -> None:
    line = 'So I don\'t think (as above) that x[0] is right: let me check "it" again.\n'
    blocks = "\n".join(f"{line * 20}```python\ndef f(x):\n    return {number}\n```" for number in range(80))
    start = time.process_time()
    assert sanitize_like_evalplus(blocks, "f") == "def f(x):\n    return 0"
    assert len(blocks) > 110_000
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "text",
    [
        "```python\ndef add(x: int, y: int):\n    return x + y\n\0```\n",
        "def add(x: int, y: int):\n    return x + y\n\n\0\n",
        "\0\ndef add(x: int, y: int):\n    return x + y\n",
        "x = 1\0\ndef add(x: int, y: int):\n    return x + y\n\0\0",
    ],
)
def test_a_nul_ends_no_code_before_it(text: str) -> None:
    """Python refuses such a source without a line; the official search parses every run of lines."""
    assert sanitize_like_evalplus(text, "add") == "def add(x: int, y: int):\n    return x + y"
