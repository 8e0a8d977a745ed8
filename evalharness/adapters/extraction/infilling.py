"""Extracts the infilled middle from a completion of an infilling (FIM) task."""

from collections.abc import Callable, Mapping

from evalharness.data.cards import Recipe
from evalharness.errors import UserError
from evalharness.records import Completion, Problem
from evalharness.util.suggest import unknown_name_message


def infilled_program(problem: Problem, completion: Completion, recipe: Recipe) -> str:
    """Returns the program of an infilling completion: the problem's prefix, the extracted middle and the suffix.

    A completion that already is a whole program is returned unchanged.
    """
    if completion.form == "solution":
        return completion.text
    return f"{problem.prefix}{extract_middle(problem, completion, recipe)}{problem.suffix}"


def extract_middle(problem: Problem, completion: Completion, recipe: Recipe) -> str | None:
    """Returns the text that a completion puts between the problem's prefix and suffix.

    Returns None if the completion is a whole program that does not begin with the prefix and end with the suffix.
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


def _first_line_with_line_break(problem: Problem, completion_text: str) -> str:
    """Returns a completion's first line with a line break at its end.

    The completion lacks this line break, because it was generated with the stop sequence "\\n".
    """
    return completion_text.partition("\n")[0] + "\n"


def _first_nonempty_line(problem: Problem, completion_text: str) -> str:
    """Returns a completion's first line, or its second line if the first is empty or a single space.

    Source: QwenLM/Qwen2.5-Coder, qwencoder-eval/base/benchmarks/fim-bench/hm_fim/humaneval_fim.py.
    """
    lines = completion_text.split("\n")
    return lines[1] if completion_text.startswith(("\n", " \n")) else lines[0]


def _without_repeated_prefix_and_suffix(problem: Problem, completion_text: str) -> str:
    """Returns an infilled text without the parts that repeat the end of the prefix or the beginning of the suffix.

    The longest such parts are removed: first that of the prefix, then, from the remaining text, that of the suffix.
    Source: NVIDIA-NeMo/Skills, nemo_skills/evaluation/evaluator/code.py `eval_human_eval_infilling`.
    """
    completion_text = completion_text[_overlap_length(problem.prefix, completion_text) :]
    return completion_text[: len(completion_text) - _overlap_length(completion_text, problem.suffix)]


def _overlap_length(first_text: str, second_text: str) -> int:
    """Returns the length, in characters, of the longest text that ends `first_text` and begins `second_text`.

    White space alone counts only if it contains a line break.
    """
    for length in range(min(len(first_text), len(second_text)), 0, -1):
        overlap = second_text[:length]
        if first_text.endswith(overlap) and (overlap.strip() or "\n" in overlap):
            return length
    return 0


MIDDLE_EXTRACTIONS: Mapping[str, Callable[[Problem, str], str]] = {
    "as_it_is": _use_whole_text,
    "first_line": _first_line_with_line_break,
    "first_filled_line": _first_nonempty_line,
    "without_overlap": _without_repeated_prefix_and_suffix,
}
"""The values of an infilling recipe's field `extraction`."""
