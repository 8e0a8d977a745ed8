"""Prompts with a gap, and what becomes of a model's answer before it is put into it."""

from collections.abc import Callable, Mapping

from evalharness.adapters.prompting import build_prompt
from evalharness.data.cards import Recipe
from evalharness.records import Completion, Oracle, Problem, Prompt


def infill_prompt(recipe: Recipe, prefix: str, suffix: str, middle: str) -> Prompt:
    """The recipe's prompt for the gap; one of another kind than infill says itself where `{prefix}` and `{suffix}` go.

    `middle` is the reference's: a prompt holds it only where the recipe gives its length away.
    """
    if recipe.middle is None:
        return build_prompt(recipe, {"prefix": prefix, "suffix": suffix})
    oracle = Oracle(middle) if recipe.middle == "oracle" else None
    return Prompt(prefix, stops=recipe.stops, suffix=suffix, middle_length=recipe.middle, oracle=oracle)


def filled(problem: Problem, completion: Completion, recipe: Recipe) -> str:
    """The whole program that the completion stands for."""
    if completion.form == "solution":
        return completion.text
    return f"{problem.prefix}{middle_of(problem, completion, recipe)}{problem.suffix}"


def middle_of(problem: Problem, completion: Completion, recipe: Recipe) -> str | None:
    """The text for the gap between the problem's stem and tail. None for a whole program that lacks these ends."""
    if completion.form == "completion":
        return completion.text
    if completion.form == "solution":
        return _between(problem, completion.text)
    return CUTS[recipe.extraction](problem, completion.text)


def _between(problem: Problem, program: str) -> str | None:
    start, end = len(problem.prefix), len(program) - len(problem.suffix)
    if start > end or not (program.startswith(problem.prefix) and program.endswith(problem.suffix)):
        return None
    return program[start:end]


def _as_it_is(problem: Problem, text: str) -> str:
    return text


def _first_line(problem: Problem, text: str) -> str:
    """The first line, with a line break: stop sequences end before it, and the line after must not run on."""
    return text.partition("\n")[0] + "\n"


def _first_filled_line(problem: Problem, text: str) -> str:
    """As QwenLM/Qwen2.5-Coder hm_fim/humaneval_fim.py: the first line, or the second where the first is empty."""
    lines = text.split("\n")
    return lines[1] if text.startswith(("\n", " \n")) else lines[0]


def _without_overlap(problem: Problem, text: str) -> str:
    """As NVIDIA-NeMo/Skills: what the answer repeats of the text around the gap, at either end, is taken away.

    The longest overlap counts, and one of blanks alone only if it has a line break. The text after the gap is
    compared with what is left.
    """
    text = text[_overlap(problem.prefix, text) :]
    return text[: len(text) - _overlap(text, problem.suffix)]


def _overlap(before: str, after: str) -> int:
    """The most characters that end `before` and begin `after`."""
    for size in range(min(len(before), len(after)), 0, -1):
        shared = after[:size]
        if before.endswith(shared) and (shared.strip() or "\n" in shared):
            return size
    return 0


CUTS: Mapping[str, Callable[[Problem, str], str]] = {
    "as_it_is": _as_it_is,
    "first_line": _first_line,
    "first_filled_line": _first_filled_line,
    "without_overlap": _without_overlap,
}
