"""What a bench asks: the prompts of a task, or real code to be continued, and never random tokens."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import evalharness
from evalharness.errors import UserError
from evalharness.records import Problem, Prompt, Request

RANDOM = ("random", "random-ids", "random-tokens", "synthetic")
CHARACTERS_PER_TOKEN = 3.8
"""Of Python by the usual code tokenizers; used only where no tokenizer is at hand to cut prompts by."""
LONGEST_LINE = 120
HEAD = "# Go on with this Python module where it ends, at length: whole functions and classes, no explanations.\n\n"


def refuse_random(task: str | None) -> None:
    """Raises UserError for random tokens as a workload."""
    if task in RANDOM:
        raise UserError(
            f"--task {task}: how many steps a diffusion model takes, and what a speculative one gets right, depends on "
            "the text, so random tokens measure nothing; leave --task out for coding prompts, or name a task"
        )


def code_problems(count: int, tokens: int, measure: Callable[[str], int] | None = None) -> list[Problem]:
    """Prompts of about `tokens` tokens by `measure` (else by characters), each a different part of this package's code.

    No two begin alike after the first line, so that no server can keep one's prompt for another. Raises UserError where
    the code is not long enough.
    """
    lines = _code()
    starts = _starts(lines)
    if count > len(starts):
        raise UserError(
            f"{count} different coding prompts are more than there are ({len(starts)}); ask for fewer requests"
        )
    chosen = [starts[len(starts) * number // count] for number in range(count)]
    return [
        Problem(f"code/{number}", Prompt(text=_cut(lines, start, tokens, measure)), {}, None)
        for number, start in enumerate(chosen)
    ]


def _code() -> list[str]:
    """The lines of this package's modules, in the order of their names, without those that are tables of data."""
    root = Path(evalharness.__file__).parent
    found: list[str] = []
    for path in sorted(root.rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        if max(map(len, lines), default=0) <= LONGEST_LINE:
            found += [f"# {path.relative_to(root.parent)}", *lines]
    return found


def _starts(lines: Sequence[str]) -> list[int]:
    """Where a statement of a module begins with a line that no other begins with."""
    firsts = Counter(lines)
    opening = (number for number, line in enumerate(lines) if line and not line[0].isspace())
    return [number for number in opening if lines[number][0] not in ")]}\"'" and firsts[lines[number]] == 1]


def _cut(lines: Sequence[str], start: int, tokens: int, measure: Callable[[str], int] | None) -> str:
    """Whole lines from `start` on, around the end if need be, until they make up the number of tokens."""
    size = measure or (lambda text: round(len(text) / CHARACTERS_PER_TOKEN))
    text, number = HEAD, start
    wanted = max(tokens, size(HEAD) + 1)
    while size(text) < wanted:
        block = max(1, (wanted - size(text)) // 24)  # a line has a dozen tokens or two: blocks first, then line by line
        text += "".join(f"{lines[(number + place) % len(lines)]}\n" for place in range(block))
        number += block
    return text


def requests_of(problems: Sequence[Problem], begin: int, count: int) -> list[Request]:
    """`count` requests from the `begin`-th on. After the last problem the first follows, as its next sample."""
    total = len(problems)
    return [Request(problems[place % total], place // total) for place in range(begin, begin + count)]


def fingerprint(problems: Sequence[Problem]) -> str:
    """A hash of all prompts, by which two benches are known to have asked the same."""
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(
            repr((problem.task_id, problem.prompt.text, problem.prompt.messages, problem.prompt.suffix)).encode()
        )
    return digest.hexdigest()[:16]
