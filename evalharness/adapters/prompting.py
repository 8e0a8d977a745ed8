"""Turns a recipe's templates into a prompt, and a model's answer into a program."""

import re
import textwrap
from collections.abc import Callable, Mapping

from evalharness.adapters.multipl_e_answers import fenced_function
from evalharness.adapters.sanitizer import sanitize, sanitize_for_bigcodebench
from evalharness.data.cards import Recipe, fill
from evalharness.records import Completion, Message, Problem, Prompt

FENCE = re.compile(r"^[ \t]*```[^`\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)


def build_prompt(recipe: Recipe, values: Mapping[str, str], extra_stops: tuple[str, ...] = ()) -> Prompt:
    """The recipe's prompt: fields `prompt` (completion), or `system`, `user` and `prefill` (chat), filled in."""
    fields = {name: fill(str(text), values) for name, text in recipe.fields.items()}
    stops = recipe.stops + extra_stops
    if recipe.kind == "completion":
        return Prompt(text=fields["prompt"], stops=stops)
    system = (Message("system", fields["system"]),) if "system" in fields else ()
    messages = (*system, Message("user", fields["user"]))
    return Prompt(messages=messages, prefill=fields.get("prefill", ""), stops=stops)


def solution(problem: Problem, completion: Completion, recipe: Recipe) -> str:
    """The program text that the completion stands for, before the task adds its checks."""
    if completion.form == "solution":
        return completion.text
    if completion.form == "completion":
        return problem.prefix + completion.text
    return EXTRACTIONS[recipe.extraction](problem, completion.text)


def _continue_stem(problem: Problem, text: str) -> str:
    return problem.prefix + text


def _continue_prompt(problem: Problem, text: str) -> str:
    return (problem.prompt.text or "") + text


def _as_it_is(problem: Problem, text: str) -> str:
    return text


def _fenced(problem: Problem, text: str) -> str:
    """The first fenced block that defines the entry point, else the first block, else all of the text.

    What stands before the entry point in the stem (imports, helpers) goes first. A block without the entry point's
    definition is taken to be its body, and continues the stem.
    """
    blocks: list[str] = FENCE.findall(text) or [text]
    if not problem.entry_point:
        return blocks[0]
    definition = re.compile(rf"^\s*(?:async\s+)?def\s+{re.escape(problem.entry_point)}\b", re.MULTILINE)
    code = next((block for block in blocks if definition.search(block)), None)
    if code is None:
        return problem.prefix + blocks[0]
    before = definition.search(problem.prefix)
    return (problem.prefix[: before.start()] if before else "") + "\n" + textwrap.dedent(code)


def _stripped(problem: Problem, text: str) -> str:
    return text.strip()


def _last_fences(problem: Problem, text: str) -> str:
    """What lies between the last two lines with a fence; nothing where there are fewer.

    Source: LiveCodeBench/LiveCodeBench, lcb_runner/utils/extraction_utils.py `extract_code`.
    """
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    return "\n".join(lines[fences[-2] + 1 : fences[-1]]) if len(fences) > 1 else ""


def _sanitized(problem: Problem, text: str) -> str:
    """As evalplus/codegen.py: tabs become four spaces, and EvalPlus's sanitizer keeps what the entry point needs."""
    return sanitize((problem.prompt.text or "") + text.replace("\t", "    "), problem.entry_point)


def _sanitized_answer(problem: Problem, text: str) -> str:
    """As `_sanitized`, for the answer alone and with its tabs, as models behind an API are treated there."""
    return sanitize(text, problem.entry_point)


def _bigcodebench(problem: Problem, text: str) -> str:
    """As bigcodebench/generate.py with a model that runs locally: tabs become four spaces."""
    whole = (problem.prompt.text or "") + text.replace("\t", "    ")
    return sanitize_for_bigcodebench(whole, problem.entry_point)


def _bigcodebench_answer(problem: Problem, text: str) -> str:
    """As bigcodebench/generate.py with a model behind an API."""
    return sanitize_for_bigcodebench(text, problem.entry_point)


EXTRACTIONS: Mapping[str, Callable[[Problem, str], str]] = {
    "continue_stem": _continue_stem,
    "continue_prompt": _continue_prompt,
    "as_it_is": _as_it_is,
    "stripped": _stripped,
    "fenced": _fenced,
    "fenced_function": fenced_function,
    "last_fences": _last_fences,
    "sanitized": _sanitized,
    "sanitized_answer": _sanitized_answer,
    "bigcodebench": _bigcodebench,
    "bigcodebench_answer": _bigcodebench_answer,
}
