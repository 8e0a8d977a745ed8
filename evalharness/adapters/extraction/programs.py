"""Extracts the program from a completion of a task that continues a prompt or answers a chat message."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from evalharness.adapters.extraction import python_program
from evalharness.adapters.extraction.extracted import NOTHING, Extracted
from evalharness.adapters.extraction.languages.function_program import function_program
from evalharness.adapters.extraction.languages.target import TestedFunction
from evalharness.adapters.extraction.sanitizer import sanitize, sanitize_for_bigcodebench
from evalharness.data.cards import Recipe
from evalharness.errors import UserError
from evalharness.records import Completion, Problem
from evalharness.util.limits.calls import CPU_S, bounded_call
from evalharness.util.suggest import unknown_name

READ_FIELDS = ("language", "prompt", "tests")
"""The fields of a problem's record that extraction rules read. Others may have megabytes of test cases."""
PLAIN = frozenset({"continue_stem", "continue_prompt", "as_it_is", "stripped", "last_fences"})
"""The extraction rules that read a text once, from left to right, so that they need no time limit."""
OFFICIAL = frozenset({"sanitized", "sanitized_answer", "bigcodebench", "bigcodebench_answer"})
"""The extraction rules of official graders. They are superlinear, and their results must not change."""
OFFICIAL_CPU_S = 2.0
"""Limit of an official sanitizer's processor time, in s. An answer of 120 KB with 200 code blocks needs 0.8 s."""
SANITIZER_IMPORTS = ("evalplus.sanitize",)


def extract_program(problem: Problem, completion: Completion, recipe: Recipe) -> str:
    """Returns the program in a completion, as text without tests. Raises as `extract` does."""
    return extract(problem, completion, recipe).source


def extract(problem: Problem, completion: Completion, recipe: Recipe) -> Extracted:
    """Returns the program in a completion, without tests, and the rule that found it.

    The text of an answer is read in a child process. Raises UserError if the recipe names an unknown extraction, and
    LimitExceeded where reading the answer is too expensive.
    """
    if completion.form == "solution":
        return Extracted(completion.text, "")
    if completion.form == "completion":
        return Extracted(problem.prefix + completion.text, "")
    check_extraction(recipe.extraction)
    if recipe.extraction in PLAIN:
        return EXTRACTIONS[recipe.extraction](problem, completion.text)
    record = {key: problem.record[key] for key in READ_FIELDS if key in problem.record}
    needed = replace(problem, record=record, reference=None)
    source, rule = bounded_call(
        extract_answer,
        recipe.extraction,
        needed,
        completion.text,
        cpu_s=OFFICIAL_CPU_S if recipe.extraction in OFFICIAL else CPU_S,
        imports=SANITIZER_IMPORTS,
    )
    return Extracted(source, rule)


def extract_answer(extraction: str, problem: Problem, text: str) -> list[str]:
    """Returns [program, rule that found it] for a model's answer; runs in a child process."""
    found = EXTRACTIONS[extraction](problem, text.encode(errors="replace").decode())
    return [found.source, found.rule]


def check_extraction(name: str) -> None:
    """Raises UserError if there is no extraction rule of that name."""
    if name not in EXTRACTIONS:
        raise UserError(unknown_name("extraction rule", name, list(EXTRACTIONS)))


def _continue_prefix(problem: Problem, text: str) -> Extracted:
    return Extracted(problem.prefix + text, "")


def _continue_prompt(problem: Problem, text: str) -> Extracted:
    return Extracted((problem.prompt.text or "") + text, "")


def _answer_unchanged(problem: Problem, text: str) -> Extracted:
    return Extracted(text, "")


def _answer_stripped(problem: Problem, text: str) -> Extracted:
    return Extracted(text.strip(), "")


def _python_function(problem: Problem, text: str) -> Extracted:
    """Extracts from a Python answer the code that defines the problem's entry point. See docs/extraction.md."""
    names = [problem.entry_point] if problem.entry_point else []
    return python_program.function_program(problem.prompt.prefill + text, problem.prefix, names)


def _contest_program(problem: Problem, text: str) -> Extracted:
    """Extracts from an answer the class Solution or function that test cases call, or a program that reads stdin."""
    return python_program.contest_program(text, problem.entry_point)


def _multipl_e(problem: Problem, text: str) -> Extracted:
    """Extracts from a MultiPL-E answer the function that the tests call, in the record's language."""
    record = problem.record
    language = str(record["language"]).removesuffix("_test.go")
    return function_program(text, TestedFunction(language, str(record["prompt"]), str(record["tests"])))


def _last_code_block(problem: Problem, text: str) -> Extracted:
    """Extracts from an answer the lines between the last two lines with a code fence; "" where there are fewer.

    Source: LiveCodeBench/LiveCodeBench, lcb_runner/utils/extraction_utils.py `extract_code`.
    """
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    if len(fences) < 2:
        return Extracted("", NOTHING)
    return Extracted("\n".join(lines[fences[-2] + 1 : fences[-1]]), "lines between the last two fences")


def _sanitized_continuation(problem: Problem, text: str) -> Extracted:
    """Runs EvalPlus's sanitizer on prompt and completion, as evalplus/codegen.py does for local models."""
    program = sanitize((problem.prompt.text or "") + text.replace("\t", "    "), problem.entry_point)
    return _extracted_by_sanitizer(program, "EvalPlus's sanitizer")


def _sanitized_answer(problem: Problem, text: str) -> Extracted:
    """Runs EvalPlus's sanitizer on the answer alone, as evalplus/codegen.py does for models behind an API."""
    return _extracted_by_sanitizer(sanitize(text, problem.entry_point), "EvalPlus's sanitizer")


def _bigcodebench(problem: Problem, text: str) -> Extracted:
    """Runs BigCodeBench's sanitizer on prompt and completion, as bigcodebench/generate.py does for local models."""
    program = (problem.prompt.text or "") + text.replace("\t", "    ")
    return _extracted_by_sanitizer(sanitize_for_bigcodebench(program, problem.entry_point), "BigCodeBench's sanitizer")


def _bigcodebench_answer(problem: Problem, text: str) -> Extracted:
    """Runs BigCodeBench's sanitizer on the answer alone, as bigcodebench/generate.py for models behind an API."""
    return _extracted_by_sanitizer(sanitize_for_bigcodebench(text, problem.entry_point), "BigCodeBench's sanitizer")


def _extracted_by_sanitizer(program: str, rule: str) -> Extracted:
    return Extracted(program, rule if program.strip() else NOTHING)


EXTRACTIONS: Mapping[str, Callable[[Problem, str], Extracted]] = {
    "continue_stem": _continue_prefix,
    "continue_prompt": _continue_prompt,
    "as_it_is": _answer_unchanged,
    "stripped": _answer_stripped,
    "fenced": _python_function,
    "fenced_function": _multipl_e,
    "fenced_program": _contest_program,
    "last_fences": _last_code_block,
    "sanitized": _sanitized_continuation,
    "sanitized_answer": _sanitized_answer,
    "bigcodebench": _bigcodebench,
    "bigcodebench_answer": _bigcodebench_answer,
}
"""The values of a recipe's field `extraction`. Each function takes a problem and the text of a model's answer."""
