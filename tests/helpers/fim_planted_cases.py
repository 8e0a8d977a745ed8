"""Test completions for problems of this project, with the verdicts of the official infilling grader.

They were recorded with openai/human-eval-infilling at COMMIT, human_eval_infilling/execution.py `check_correctness`,
3 s and Python 3.11. `test_fim_planted.py` records them again if a checkout is given.
"""

from typing import Any

COMMIT = "88062ff9859c875d04db115b698ed4b0f0395170"

TEST = "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate(0) == 0\n    assert candidate(5) == 10\n"
PROBLEMS: dict[str, dict[str, Any]] = {
    name: {"task_id": f"Planted/{name}", "entry_point": "total", "test": TEST, **rest}
    for name, rest in {
        "line": {
            "prompt": 'def total(n):\n    """ Sum of the numbers below n. """\n    found = 0\n',
            "canonical_solution": "    for number in range(n):\n",
            "suffix": "        found += number\n    return found\n",
        },
        "span": {
            "prompt": "def total(n):\n    found = n * (n - 1)\n    return fou",
            "canonical_solution": "nd //",
            "suffix": " 2\n",
        },
        "last": {
            "prompt": "def total(n):\n    found = n * (n - 1)\n",
            "canonical_solution": "    return found // 2\n",
            "suffix": "",
        },
    }.items()
}

LOOP = "    for number in range(n):\n"
RIGHT = "    return n * (n - 1) // 2\n"
DOWN = "    def down(k):\n        return k and down(k - 1)\n    down({0})\n"

QUICK: dict[str, tuple[str, str, bool]] = {
    "right": ("line", LOOP, True),
    "wrong": ("line", "    for number in range(n + 1):\n", False),
    "empty": ("line", "", False),
    "blank": ("line", "    \n", False),
    "another line": ("line", "    for number in reversed(range(1, n)):\n", True),
    "several lines": ("line", "    numbers = list(range(n))\n    for number in numbers:\n", True),
    "returns before the suffix": ("line", f"{RIGHT}{LOOP}", True),
    "returns, and the suffix does not fit": ("line", RIGHT, False),
    "another function takes the suffix": (
        "line",
        f"    pass\ndef total(n):\n{RIGHT}def other(n, found=0):\n{LOOP}",
        True,
    ),
    "a wrong function takes the suffix": (
        "line",
        f"    pass\ndef total(n):\n    return 1\ndef other(n):\n{LOOP}",
        False,
    ),
    "suffix as comment": ("line", f"{RIGHT.rstrip()}  #", True),
    "suffix in a text": ("line", f'{RIGHT}    """', False),
    "suffix repeated": ("line", f"{LOOP}        found += number\n    return found\n", False),
    "prefix repeated": ("line", f"def total(n):\n    found = 0\n{LOOP}", True),
    "whole function and no more": ("line", f"\ndef total(n):\n{RIGHT}", False),
    "no line break": ("line", LOOP.rstrip("\n"), True),
    "line break first": ("line", f"\n{LOOP}", True),
    "line breaks last": ("line", f"{LOOP}\n\n", True),
    "carriage returns": ("line", LOOP.replace("\n", "\r\n"), True),
    "form feed": ("line", f"\f\n{LOOP}", True),
    "tab": ("line", "\tfor number in range(n):\n", False),
    "tab in the line": ("line", "    for\tnumber in\trange(n):\t\n", True),
    "too deep": ("line", f"    {LOOP}", False),
    "not deep enough": ("line", LOOP[2:], False),
    "exit": ("line", f"    exit()\n{LOOP}", False),
    "sys.exit": ("line", f"    import sys\n    sys.exit(0)\n{LOOP}", False),
    "SystemExit": ("line", f"    raise SystemExit\n{LOOP}", False),
    "os._exit": ("line", f"    import os\n    os._exit(0)\n{LOOP}", False),
    "KeyboardInterrupt": ("line", f"    raise KeyboardInterrupt\n{LOOP}", False),
    "prints": ("line", f"    print('x' * 100_000)\n{LOOP}        print(number)\n", True),
    "prints what is no UTF-8": ("line", f"    print('\\udcff')\n{LOOP}", True),
    "is no UTF-8": ("line", f"    x = '\udcff'\n{LOOP}", False),
    "NUL": ("line", f"    x = '\0'\n{LOOP}", False),
    "other letters": ("line", f"    zahl = 'ü☃𝔘'  # é\n{LOOP}", True),
    "input": ("line", f"    input()\n{LOOP}", False),
    "getcwd": ("line", f"    import os\n    os.getcwd()\n{LOOP}", False),
    "help": ("line", f"    help(int)\n{LOOP}", False),
    "name": ("line", f"    assert __name__ == 'builtins'\n{LOOP}", True),
    "import": ("line", f"    import math\n{LOOP}", True),
    "future": ("line", f"    from __future__ import annotations\n{LOOP}", False),
    "own check": ("line", f"    pass\ndef check(f): pass\ndef total(n):\n    found = 1\n{LOOP}", False),
    "calls itself without end": ("line", f"    total(n)\n{LOOP}", False),
    "calls itself to an end": ("line", f"    if n > 0:\n        return n - 1 + total(n - 1)\n{LOOP}", True),
    **{
        f"deep {depth}": ("line", f"{DOWN.format(depth)}{LOOP}", passed)
        for depth, passed in ((900, True), (1100, False))
    },
    "span right": ("span", "nd //", True),
    "span empty": ("span", "", False),
    "span with blank": ("span", " nd //", False),
    "span blank last": ("span", "nd // ", True),
    "span continued": ("span", "nd // \\\n", True),
    "span closes": ("span", "nd // 2\nx = (1,)[0] *", True),
    "span repeats suffix": ("span", "nd // 2\n", False),
    "span wrong": ("span", "nd *", False),
    "last right": ("last", "    return found // 2\n", True),
    "last no line break": ("last", "    return found // 2", True),
    "last empty": ("last", "", False),
    "last backslash": ("last", "    return found // 2 \\", True),
    "last comment": ("last", "    return found // 2  # x", True),
    "last open bracket": ("last", "    return (found // 2", False),
}
"""By name: problem, completion, and whether it passes officially."""
SWALLOWED = "    while True:\n        try:\n            while True: pass\n        except: pass\n"
SLOW: dict[str, tuple[str, str, bool]] = {
    "hangs": ("line", f"    while True: pass\n{LOOP}", False),
    "sleeps": ("line", f"    import time\n    time.sleep(20)\n{LOOP}", False),
    "sleeps a while": ("line", f"    import time\n    time.sleep(0.5)\n{LOOP}", True),
    "swallows everything": ("line", f"{SWALLOWED}{LOOP}", False),
}
