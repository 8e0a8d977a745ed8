"""Makes the prompts of `evalharness bench` without --task: real Python code to be continued, never random tokens."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import evalharness
from evalharness.errors import UserError
from evalharness.records import Problem, Prompt, Request

RANDOM_WORKLOADS = ("random", "random-ids", "random-tokens", "synthetic")
"""Names that other benchmarks use for random tokens."""
CHARACTERS_PER_TOKEN = 3.8
"""Average for Python code with common code tokenizers. Used only without a tokenizer."""
LONGEST_LINE = 120
"""Length of a line above which a module is taken for a table of data and not used."""
INSTRUCTION = (
    "# Go on with this Python module where it ends, at length: whole functions and classes, no explanations.\n\n"
)


def refuse_random_token_workload(task_name: str | None) -> None:
    """Raises UserError if the value of `bench --task` is a name that other benchmarks use for random tokens."""
    if task_name in RANDOM_WORKLOADS:
        raise UserError(
            f"--task {task_name}: the steps of a diffusion model and the acceptance of speculative decoding depend on "
            "the text, so random tokens measure nothing useful; remove --task to use coding prompts, or name a task"
        )


def make_coding_problems(
    count: int, prompt_tokens: int, count_tokens: Callable[[str], int] | None = None
) -> list[Problem]:
    """Returns `count` problems whose prompts are Python code of this package, of about `prompt_tokens` tokens each.

    `count_tokens` returns the number of tokens of a text; without it, `CHARACTERS_PER_TOKEN` estimates the number. No
    two prompts have the same first line after the instruction, so that a server's prefix cache cannot reuse one for
    another. Raises UserError if the package has not enough code.
    """
    lines = _read_package_source_lines()
    starts = _find_unique_statement_starts(lines)
    if count > len(starts):
        raise UserError(
            f"--requests and --warmup, over all --concurrency levels, need {count} different coding prompts, but "
            f"only {len(starts)} exist; lower one of them, or name a task with --task"
        )
    chosen = [starts[len(starts) * number // count] for number in range(count)]
    return [
        Problem(f"code/{number}", Prompt(text=_make_coding_prompt(lines, start, prompt_tokens, count_tokens)), {}, None)
        for number, start in enumerate(chosen)
    ]


def _read_package_source_lines() -> list[str]:
    """Returns the lines of this package's modules, in the order of their paths, without modules with long lines."""
    root = Path(evalharness.__file__).parent
    source: list[str] = []
    for path in sorted(root.rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        if max(map(len, lines), default=0) <= LONGEST_LINE:
            source += [f"# {path.relative_to(root.parent)}", *lines]
    return source


def _find_unique_statement_starts(source_lines: Sequence[str]) -> list[int]:
    """Returns the indices of those lines that begin a top-level statement and occur only once in `source_lines`."""
    occurrences = Counter(source_lines)
    top_level = (number for number, line in enumerate(source_lines) if line and not line[0].isspace())
    return [
        number
        for number in top_level
        if source_lines[number][0] not in ")]}\"'" and occurrences[source_lines[number]] == 1
    ]


def _make_coding_prompt(
    source_lines: Sequence[str], first_line_index: int, prompt_tokens: int, count_tokens: Callable[[str], int] | None
) -> str:
    """Returns a prompt of at least `prompt_tokens` tokens: the instruction to continue the code, then lines of code.

    The code begins at `source_lines[first_line_index]`; after the last line, it continues with the first one.
    """
    size = count_tokens or (lambda text: round(len(text) / CHARACTERS_PER_TOKEN))
    text, position = INSTRUCTION, first_line_index
    target = max(prompt_tokens, size(INSTRUCTION) + 1)
    while size(text) < target:
        # A line has fewer than 24 tokens on average: add blocks first, which needs fewer counts, then single lines.
        block = max(1, (target - size(text)) // 24)
        text += "".join(f"{source_lines[(position + offset) % len(source_lines)]}\n" for offset in range(block))
        position += block
    return text


def make_requests(problems: Sequence[Problem], first_request_number: int, request_count: int) -> list[Request]:
    """Returns `request_count` consecutive requests of `evalharness bench`.

    The requests of all concurrency levels are numbered from 0, and the first one returned is `first_request_number`.
    They go through the problems in order: sample 0 of each problem, then sample 1 of each problem, and so on.
    """
    total = len(problems)
    return [
        Request(problems[number % total], number // total)
        for number in range(first_request_number, first_request_number + request_count)
    ]


def fingerprint_prompts(problems: Sequence[Problem]) -> str:
    """Returns a hash of all prompts of `evalharness bench`. Results with equal hashes are of the same prompts."""
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(
            repr((problem.task_id, problem.prompt.text, problem.prompt.messages, problem.prompt.suffix)).encode()
        )
    return digest.hexdigest()[:16]
