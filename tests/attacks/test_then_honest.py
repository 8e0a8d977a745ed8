"""After all attacks (these files run in the order of their names) the same sandbox grades honest samples."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.attack import python_program
from helpers.target import Target

pytestmark = pytest.mark.docker

ODD_BUT_HONEST = {
    "compares objects of its own": """
class Number:
    def __init__(self, value): self.value = value
    def __eq__(self, other): return self.value == other.value
    def __hash__(self): return hash(self.value)
def f(x): return x * x + 1 if Number(x) == Number(x) else None
""",
    "has a main guard": "import sys\ndef f(x): return x * x + 1\nif __name__ == '__main__':\n    sys.exit(f(1) - 2)",
    "imports os": "import os\nimport sys\ndef f(x): return x * x + len(os.sep)",
    "speaks of exit": "# exit(0) would end it, os._exit(0) as well\ndef f(x):\n    'exec'\n    return x * x + 1",
    "asserts": "def f(x):\n    assert isinstance(x, int)\n    return x * x + 1\nassert f(2) == 5",
    "catches everything": "def f(x):\n    try:\n        return x * x + 1\n"
    "    except BaseException:\n        raise SystemExit(0)",
    "uses numpy": "import numpy as np\ndef f(x): return int(np.square(x)) + 1",
    "has a lambda, a global and a setter": "g = None\ndef s(h):\n    global g\n    g = h\ns(lambda x: x * x + 1)\n"
    "def f(x): return g(x)",
    "uses threads": "from threading import Thread\ndef f(x):\n    out = []\n"
    "    t = Thread(target=lambda: out.append(x * x))\n    t.start(); t.join()\n    return out[0] + 1",
    "formats": "def f(x):\n    return int('{0:d}'.format(x * x)) + 1",
    "writes a file": "def f(x):\n    with open('x', 'w') as file: file.write(str(x * x))\n"
    "    return int(open('x').read()) + 1",
    "walks its stack": "import inspect\ndef f(x):\n    inspect.stack()\n    return x * x + 1",
    "has a dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int\n"
    "def f(x):\n    p = P(x, 1)\n    return p.x * p.x + p.y",
    "seeds": "import random\nrandom.seed(1)\ndef f(x):\n    random.seed(x)\n    return x * x + 1",
    "leaves a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
    "def f(x): return x * x + 1",
    "leaves a process": "import subprocess\nsubprocess.Popen(['sleep', '9'])\ndef f(x): return x * x + 1",
    "prints": "import sys\ndef f(x):\n    print(x, file=sys.stderr)\n    sys.stdout.flush()\n    return x * x + 1",
}
RIGHT = [
    "def f(x): return x * x + {0} - {0} + 1",
    "def f(x):\n    return sum(x for _ in range(x)) + 1  # {0}",
    "import math\ndef f(x): return int(math.pow(x, 2)) + 1  # {0}",
    "class Solver:\n    def solve(self, x): return x ** 2 + 1  # {0}\ndef f(x): return Solver().solve(x)",
    "import os\ndef f(x): return x ** 2 + len(os.sep)  # {0}",
]
WRONG = [
    "def f(x): return x * x + {0}",
    "def f(x): return None  # {0}",
    "def f(x): return [x * x + 1]  # {0}",
    "import os\ndef f(x): return x * x  # {0}",
    "def f(x): raise ValueError({0})",
]


@pytest.mark.parametrize("name", ODD_BUT_HONEST)
def test_unusual_honest_samples_pass(name: str, target: Target) -> None:
    outcome = target.run(python_program(ODD_BUT_HONEST[name], "numbers"))
    assert outcome.status == "passed", outcome


def test_a_hundred_honest_samples_get_the_right_verdicts(target: Target) -> None:
    sources = [
        (text.format(number + 2), kind is RIGHT) for number in range(10) for kind in (RIGHT, WRONG) for text in kind
    ]
    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(lambda item: target.run(python_program(item[0], "numbers")), sources))
    assert len(outcomes) == 100
    wrong = [
        (source, outcome)
        for (source, right), outcome in zip(sources, outcomes, strict=True)
        if (outcome.status == "passed") != right or outcome.status == "tampered"
    ]
    assert not wrong
    target.assert_fresh()
