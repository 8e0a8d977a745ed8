"""Extracts the infilled middle from a completion of an infilling (FIM) task."""

from collections.abc import Callable, Mapping

from evalharness.data.cards import Recipe
from evalharness.errors import UserError
from evalharness.records import Completion, Problem
from evalharness.util.suggest import unknown_name_message


def infilled_program(problem: Problem, completion: Completion, recipe: Recipe) -> str:
    """Returns the program of an infilling completion: prefix, extracted middle and suffix, joined."""
    if completion.form == "solution":
        return completion.text
    return f"{problem.prefix}{extract_middle(problem, completion, recipe)}{problem.suffix}"


def extract_middle(problem: Problem, completion: Completion, recipe: Recipe) -> str | None:
    """Returns the infilled middle; None if the completion is a whole program without the problem's prefix and suffix.

    Raises UserError if the recipe (the task's prompt settings) names an unknown extraction rule.
    """
    if completion.form == "completion":
        return completion.text
    if completion.form == "solution":
        return _text_between_prefix_and_suffix(problem, completion.text)
    if recipe.extraction not in MIDDLE_EXTRACTIONS:
        raise UserError(unknown_name_message("infilling extraction rule", recipe.extraction, list(MIDDLE_EXTRACTIONS)))
    return MIDDLE_EXTRACTIONS[recipe.extraction](problem, completion.text)


def _text_between_prefix_and_suffix(problem: Problem, program: str) -> str | None:
    start, end = len(problem.prefix), len(program) - len(problem.suffix)
    if start > end or not (program.startswith(problem.prefix) and program.endswith(problem.suffix)):
        return None
    return program[start:end]


def _use_whole_text(problem: Problem, completion_text: str) -> str:
    return completion_text


def _first_line_with_break(problem: Problem, completion_text: str) -> str:
    """Returns a completion's first line with a line break at its end.

    The stop sequence "\\n" removed the line break, without which the suffix would continue the same line.
    """
    return completion_text.partition("\n")[0] + "\n"


def _first_nonempty_line(problem: Problem, completion_text: str) -> str:
    """Returns a completion's first line, or its second line if the first is empty.

    Source: QwenLM/Qwen2.5-Coder, qwencoder-eval/base/benchmarks/fim-bench/hm_fim/humaneval_fim.py.
    """
    lines = completion_text.split("\n")
    return lines[1] if completion_text.startswith(("\n", " \n")) else lines[0]


def _without_repeated_prefix_and_suffix(problem: Problem, completion_text: str) -> str:
    """Returns an infilled text without the end of the prefix and the beginning of the suffix, if it repeats them.

    The longest overlap is removed; one of white space only if it contains a line break. The overlap with the
    suffix is computed after the overlap with the prefix is removed.
    Source: NVIDIA-NeMo/Skills, nemo_skills/evaluation/evaluator/code.py `eval_human_eval_infilling`.
    """
    completion_text = completion_text[_overlap_length(problem.prefix, completion_text) :]
    return completion_text[: len(completion_text) - _overlap_length(completion_text, problem.suffix)]


def _overlap_length(before: str, after: str) -> int:
    """Returns the length in characters of the longest text that `before` ends with and `after` begins with."""
    for length in range(min(len(before), len(after)), 0, -1):
        overlap = after[:length]
        if before.endswith(overlap) and (overlap.strip() or "\n" in overlap):
            return length
    return 0


MIDDLE_EXTRACTIONS: Mapping[str, Callable[[Problem, str], str]] = {
    "as_it_is": _use_whole_text,
    "first_line": _first_line_with_break,
    "first_filled_line": _first_nonempty_line,
    "without_overlap": _without_repeated_prefix_and_suffix,
}
"""The values of an infilling recipe's field `extraction`."""
