"""The project's own rule for Python answers: every form of answer gives the same function."""

import io
from typing import Any

import pytest
from helpers.answer_forms import FORMS, fenced

from evalharness.adapters.extraction.extracted import NOTHING_FOUND
from evalharness.adapters.extraction.python_program import extract_function_program, extract_stdin_program

SOLUTIONS = {
    # what is special: (prefix of the task, name, code, arguments, result)
    "plain": ("", "add", "def add(x: int, y: int) -> int:\n    return x + y\n", (1, 2), 3),
    "import and helper": (
        "from typing import List\n\n\ndef near(numbers: List[float], limit: float) -> bool:\n    ''' Near? '''\n",
        "near",
        "import math\nfrom itertools import combinations\n\nLIMIT = 10\n\n\ndef distance(a, b):\n"
        "    return min(LIMIT, math.fabs(a - b))\n\n\ndef near(numbers: List[float], limit: float) -> bool:\n"
        "    return any(distance(a, b) < limit for a, b in combinations(numbers, 2))\n",
        ([1.0, 1.2, 9.0], 0.5),
        True,
    ),
    "fence in the docstring": (
        "def double(x):\n    ''' Doubles. '''\n",
        "double",
        'def double(x):\n    """Doubles.\n\n    Example:\n    ```\n    double(2)\n    ```\n    """\n    return 2 * x\n',
        (4,),
        8,
    ),
    "decorator and table": (
        "",
        "fib",
        "from functools import lru_cache\n\nBASE = {}\nfor i in range(2):\n    BASE[i] = i\n\n\n"
        "@lru_cache(maxsize=None)\ndef fib(n):\n    if n in BASE:\n        return BASE[n]\n"
        "    return fib(n - 1) + fib(n - 2)\n",
        (20,),
        6765,
    ),
    "lambda": ("", "triple", "triple = lambda x: 3 * x\n", (2,), 6),
    "function of the prompt": (
        "def half(x):\n    return x / 2\n\n\ndef quarter(x):\n    ''' Uses half. '''\n",
        "quarter",
        "def quarter(x):\n    return half(half(x))\n",
        (8,),
        2,
    ),
}


def call(program: str, name: str, arguments: Any) -> Any:
    namespace: dict[str, Any] = {"__name__": "program"}
    exec(compile(program, "program", "exec"), namespace)
    return namespace[name](*arguments)


@pytest.mark.parametrize("kind", SOLUTIONS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_function(form: str, kind: str) -> None:
    prefix, name, code, arguments, result = SOLUTIONS[kind]
    found = extract_function_program(FORMS[form](code, name), prefix, [name])
    assert call(found.source, name, arguments) == result
    assert found.location != NOTHING_FOUND


BODY_PREFIX = 'from typing import List\n\n\ndef total(numbers: List[int]) -> int:\n    """ Adds. """\n'
BODY = "    result = 0\n    for number in numbers:\n        result += number\n    return result\n"


@pytest.mark.parametrize(
    "answer",
    [
        fenced(BODY),
        BODY,
        fenced(BODY.replace("\n    ", "\n")[4:]),
        f"The body:\n\n{fenced(BODY)}It is called so:\n{fenced('total([1, 2])')}",
        f"<think>Easy.</think>\n{BODY}",
        f"{BODY}```\n",
        f"{BODY}\n\ndef other():\n    return 1\n\n\nprint(other(), total(input()))\n",
        fenced(f"{BODY}\n\nif __name__ == '__main__':\n    total([])\n"),
    ],
)
def test_a_body_continues_the_prompt(answer: str) -> None:
    found = extract_function_program(answer, BODY_PREFIX, ["total"])
    assert (call(found.source, "total", ([1, 2, 3],)), found.location) == (6, "body of the function")


HELPER = "def plus(a, b):\n    return a + b\n"
USER = "def add(x, y):\n    return plus(x, y)\n"


@pytest.mark.parametrize(
    "answer",
    [
        fenced(HELPER) + fenced(USER),
        fenced(USER) + "with\n" + fenced(HELPER),
        fenced("from operator import add as plus") + fenced(USER),
        fenced("import operator as op") + fenced("plus = op.add") + fenced(USER),
        fenced(HELPER + "print(plus(1, input()))") + fenced(USER),
        fenced("def plus(a, b):\n    return a - b\n") + "No:\n" + fenced(HELPER) + fenced(USER),
        fenced(HELPER + "def add(x, y):\n    return 0\n") + "Better:\n" + fenced(USER),
    ],
)
def test_what_other_blocks_define_comes_along(answer: str) -> None:
    assert call(extract_function_program(answer, "", ["add"]).source, "add", (1, 2)) == 3


@pytest.mark.parametrize("answer", ["", "I cannot help with that.", "<think>cut", fenced("print('hello')")])
def test_an_answer_without_the_function_says_so(answer: str) -> None:
    assert extract_function_program(answer, "", ["add"]).location == NOTHING_FOUND


@pytest.mark.parametrize(
    ("answer", "location"),
    [
        (fenced(USER), "fenced block"),
        (fenced("x = 1") + fenced(USER), "fenced block 2 of 2"),
        (USER, "whole answer"),
        (f"Here: {fenced(USER)}", "text between marks"),
        (f"Use `{'add = max'}`.", "indented block or code in a line"),
        (f"It's so:\n\n{USER}", "sanitizer"),
    ],
)
def test_the_location_is_reported(answer: str, location: str) -> None:
    assert extract_function_program(answer, "", ["add"]).location == location


READS = "t = int(input())\nprint(t + 1)\n"


@pytest.mark.parametrize(
    "answer",
    [
        fenced(READS),
        f"### Approach\nAdd one.\n### Code\n{fenced(READS)}Sample:\n{fenced('3', '')}gives\n{fenced('4', '')}",
        f"<think>{fenced('print(input())')}</think>{fenced(READS)}",
        fenced(READS) + "On one line:\n" + fenced("t + 1"),
        fenced("import sys\ndef main():\n    t = int(sys.stdin.readline())\n    print(t + 1)\nmain()\n"),
        fenced("def main():\n    t = int(input())\n    print(t + 1)\nif __name__ == '__main__':\n    main()\n"),
        READS,
        f"Here is it:\n\n{READS}",
        fenced("def f(t):\n    return t + 1\n") + "Then\n" + fenced("t = int(input())\nprint(f(t))\n"),
        fenced(READS) + "Tested with\n" + fenced("assert 3 + 1 == 4\nprint('ok')"),
        f"```python\n{READS}",
    ],
)
def test_programs_that_read_standard_input(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("builtins.input", lambda: "3")
    monkeypatch.setattr("sys.stdin", io.StringIO("3\n"))
    found = extract_stdin_program(answer)
    exec(compile(found.source, "program", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == "4\n"
    assert found.location != NOTHING_FOUND


METHOD = """class Solution:
    def add(self, x: int, y: int) -> int:
        return self.plus(x, y)

    def plus(self, x, y):
        return x + y
"""


@pytest.mark.parametrize(
    "code",
    [
        METHOD,
        METHOD + "\n\nsolution = Solution()\nprint(solution.add(1, 2))\nassert Solution().add(1, 2) == 3\n",
        "class Base:\n    def __init__(self, start=0):\n        pass\n\n\n" + METHOD.replace(":", "(Base):", 1),
        METHOD.replace("    def add(self, ", "    @staticmethod\n    def add(").replace("self.plus", "Solution().plus"),
        METHOD.replace("    def add(self, ", "    @classmethod\n    def add(cls, ").replace("self.plus", "cls().plus"),
        "class Draft:\n    def add(self, x, y):\n        return x - y\n\n\n" + METHOD,
        METHOD
        + "\n\nclass Adder:\n    def __init__(self, start):\n        pass\n\n    def add(self, x, y):\n        ...\n",
    ],
)
def test_a_method_is_the_function(code: str) -> None:
    found = extract_function_program(
        f"Here:\n\n{fenced(code)}\nIt adds.", 'def add(x, y):\n    """ Adds. """\n', ["add"]
    )
    assert (call(found.source, "add", (1, 2)), found.location) == (3, "method of a class")


def test_a_function_precedes_a_method() -> None:
    answer = fenced("def add(x, y):\n    return x + y\n") + fenced(METHOD.replace("x + y", "0"))
    assert call(extract_function_program(answer, "", ["add"]).source, "add", (1, 2)) == 3


def test_a_class_whose_objects_need_arguments_is_not_the_function() -> None:
    code = (
        "class Adder:\n    def __init__(self, start):\n        pass\n\n    def add(self, x, y):\n        return x + y\n"
    )
    assert extract_function_program(fenced(code), "", ["add"]).location != "method of a class"
