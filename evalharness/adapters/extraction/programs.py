"""Extracts the program from a completion of a task that continues a prompt or answers a chat message."""

import re
import textwrap
from collections.abc import Callable, Mapping

from evalharness.adapters.extraction.code_blocks import block_that_defines, code_blocks
from evalharness.adapters.extraction.multipl_e import extract_function
from evalharness.adapters.extraction.sanitizer import sanitize, sanitize_for_bigcodebench
from evalharness.data.cards import Recipe
from evalharness.errors import UserError
from evalharness.records import Completion, Problem
from evalharness.util.suggest import unknown_name


def extract_program(problem: Problem, completion: Completion, recipe: Recipe) -> str:
    """Returns the program text of a completion, before the task adds its tests.

    Raises UserError if the recipe names an unknown extraction.
    """
    if completion.form == "solution":
        return completion.text
    if completion.form == "completion":
        return problem.prefix + completion.text
    if recipe.extraction not in EXTRACTIONS:
        raise UserError(unknown_name("extraction", recipe.extraction, list(EXTRACTIONS)))
    return EXTRACTIONS[recipe.extraction](problem, completion.text)


def _continue_prefix(problem: Problem, text: str) -> str:
    return problem.prefix + text


def _continue_prompt(problem: Problem, text: str) -> str:
    return (problem.prompt.text or "") + text


def _unchanged(problem: Problem, text: str) -> str:
    return text


def _stripped(problem: Problem, text: str) -> str:
    return text.strip()


def _code_block(problem: Problem, text: str) -> str:
    """Returns the first code block that defines the entry point, else the first block, else the whole text.

    The part of the prefix before the entry point (imports, helper functions) precedes the block. A block that does not
    define the entry point is treated as its body and continues the prefix.
    """
    blocks = code_blocks(text)
    if not problem.entry_point:
        return blocks[0]
    definition = re.compile(rf"^\s*(?:async\s+)?def\s+{re.escape(problem.entry_point)}\b", re.MULTILINE)
    code = block_that_defines(definition, blocks)
    if code is None:
        return problem.prefix + blocks[0]
    in_prefix = definition.search(problem.prefix)
    return (problem.prefix[: in_prefix.start()] if in_prefix else "") + "\n" + textwrap.dedent(code)


def _last_code_block(problem: Problem, text: str) -> str:
    """Returns the lines between the last two lines that contain a fence; empty where there are fewer than two.

    Source: LiveCodeBench/LiveCodeBench, lcb_runner/utils/extraction_utils.py `extract_code`.
    """
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    return "\n".join(lines[fences[-2] + 1 : fences[-1]]) if len(fences) > 1 else ""


def _sanitized(problem: Problem, text: str) -> str:
    """Sanitizes prompt and completion, with tabs as four spaces. Source: evalplus/codegen.py, base and local models."""
    return sanitize((problem.prompt.text or "") + text.replace("\t", "    "), problem.entry_point)


def _sanitized_answer(problem: Problem, text: str) -> str:
    """Sanitizes the answer alone and keeps its tabs. Source: evalplus/codegen.py, models behind an API."""
    return sanitize(text, problem.entry_point)


def _bigcodebench(problem: Problem, text: str) -> str:
    """Sanitizes prompt and completion, with tabs as four spaces. Source: bigcodebench/generate.py, local models."""
    program = (problem.prompt.text or "") + text.replace("\t", "    ")
    return sanitize_for_bigcodebench(program, problem.entry_point)


def _bigcodebench_answer(problem: Problem, text: str) -> str:
    """Sanitizes the answer alone. Source: bigcodebench/generate.py, models behind an API."""
    return sanitize_for_bigcodebench(text, problem.entry_point)


EXTRACTIONS: Mapping[str, Callable[[Problem, str], str]] = {
    "continue_stem": _continue_prefix,
    "continue_prompt": _continue_prompt,
    "as_it_is": _unchanged,
    "stripped": _stripped,
    "fenced": _code_block,
    "fenced_function": extract_function,
    "last_fences": _last_code_block,
    "sanitized": _sanitized,
    "sanitized_answer": _sanitized_answer,
    "bigcodebench": _bigcodebench,
    "bigcodebench_answer": _bigcodebench_answer,
}
"""The values of a recipe's field `extraction`. Each function takes a problem and the text of a model's answer."""
