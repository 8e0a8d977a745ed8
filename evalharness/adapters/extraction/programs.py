"""Extracts the program from a completion of a task that continues a prompt or answers a chat message."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from evalharness.adapters.extraction import python_program
from evalharness.adapters.extraction.extracted import NOTHING_FOUND, ExtractedProgram
from evalharness.adapters.extraction.languages.function_program import extract_function_program
from evalharness.adapters.extraction.languages.target import TestedFunction
from evalharness.adapters.extraction.sanitizer import sanitize_like_bigcodebench, sanitize_like_evalplus
from evalharness.data.cards import Recipe
from evalharness.errors import UserError
from evalharness.records import Completion, Problem
from evalharness.util.limits.calls import CPU_LIMIT_S, bounded_call
from evalharness.util.suggest import unknown_name_message

SourceAndLocation = list[str]
"""[source, location]: the fields of an `ExtractedProgram` as a list; child processes send their results as JSON."""
EXTRACTION_FIELDS = ("language", "prompt", "tests")
"""The fields of a problem's record that extraction rules read. Others may have megabytes of test cases."""
LINEAR_TIME_RULES = frozenset({"continue_stem", "continue_prompt", "as_it_is", "stripped", "last_fences"})
"""The extraction rules that need no time limit, because they read a text only once."""
OFFICIAL_RULES = frozenset({"sanitized", "sanitized_answer", "bigcodebench", "bigcodebench_answer"})
"""The extraction rules of official graders. Their time grows faster than the text, so they get their own limit."""
OFFICIAL_CPU_S = 2.0
"""Limit of an official sanitizer's processor time, in s. An answer of 120 KB with 200 code blocks needs 0.8 s."""
SANITIZER_IMPORTS = ("evalplus.sanitize",)


def extract_program(problem: Problem, completion: Completion, recipe: Recipe) -> str:
    """Returns the program in a completion, without tests. Raises the errors of `extract_program_and_location`."""
    return extract_program_and_location(problem, completion, recipe).source


def extract_program_and_location(problem: Problem, completion: Completion, recipe: Recipe) -> ExtractedProgram:
    """Returns the program in a completion, without tests, and where it was found, such as "fenced block 2 of 2".

    `recipe.extraction` names the extraction rule. Rules that may be slow run in a child process. Raises UserError for
    an unknown rule, and LimitExceeded if the extraction takes too much CPU time.
    """
    if completion.form == "solution":
        return ExtractedProgram(completion.text, "")
    if completion.form == "completion":
        return ExtractedProgram(problem.prefix + completion.text, "")
    check_extraction_rule(recipe.extraction)
    if recipe.extraction in LINEAR_TIME_RULES:
        return EXTRACTION_RULES[recipe.extraction](problem, completion.text)
    record = {key: problem.record[key] for key in EXTRACTION_FIELDS if key in problem.record}
    stripped_problem = replace(problem, record=record, reference=None)
    source, location = bounded_call(
        apply_extraction_rule,
        recipe.extraction,
        stripped_problem,
        completion.text,
        cpu_s=OFFICIAL_CPU_S if recipe.extraction in OFFICIAL_RULES else CPU_LIMIT_S,
        imports=SANITIZER_IMPORTS,
    )
    return ExtractedProgram(source, location)


def apply_extraction_rule(rule_name: str, problem: Problem, answer: str) -> SourceAndLocation:
    """Returns [the program in a model's answer, where it was found], by the extraction rule `rule_name`.

    `extract_program_and_location` calls this function in a child process, whose CPU time is limited.
    """
    extracted = EXTRACTION_RULES[rule_name](problem, answer.encode(errors="replace").decode())
    return [extracted.source, extracted.location]


def check_extraction_rule(rule_name: str) -> None:
    """Raises UserError if `rule_name`, the value of a recipe's field `extraction`, is not an extraction rule."""
    if rule_name not in EXTRACTION_RULES:
        raise UserError(unknown_name_message("extraction rule", rule_name, list(EXTRACTION_RULES)))


def _join_prefix_and_completion(problem: Problem, completion_text: str) -> ExtractedProgram:
    return ExtractedProgram(problem.prefix + completion_text, "")


def _join_prompt_and_completion(problem: Problem, completion_text: str) -> ExtractedProgram:
    return ExtractedProgram((problem.prompt.text or "") + completion_text, "")


def _use_whole_answer(problem: Problem, answer: str) -> ExtractedProgram:
    return ExtractedProgram(answer, "")


def _use_stripped_answer(problem: Problem, answer: str) -> ExtractedProgram:
    return ExtractedProgram(answer.strip(), "")


def _extract_python_function(problem: Problem, answer: str) -> ExtractedProgram:
    """Extracts from an answer the Python code that defines the problem's entry point; see docs/extraction.md."""
    names = [problem.entry_point] if problem.entry_point else []
    return python_program.extract_function_program(problem.prompt.prefill + answer, problem.prefix, names)


def _extract_contest_program(problem: Problem, answer: str) -> ExtractedProgram:
    """Extracts the program in a contest problem's answer: class `Solution`, a function, or code that reads stdin."""
    return python_program.extract_contest_program(answer, problem.entry_point)


def _extract_multipl_e_function(problem: Problem, answer: str) -> ExtractedProgram:
    """Extracts the tested function from `answer`, an answer to a MultiPL-E problem in any programming language."""
    record = problem.record
    language = str(record["language"]).removesuffix("_test.go")
    return extract_function_program(answer, TestedFunction(language, str(record["prompt"]), str(record["tests"])))


def _extract_last_code_block(problem: Problem, answer: str) -> ExtractedProgram:
    """Extracts the lines between the last two lines with a code fence; an empty program if there are fewer than two.

    Source: LiveCodeBench/LiveCodeBench, lcb_runner/utils/extraction_utils.py `extract_code`.
    """
    lines = answer.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    if len(fences) < 2:
        return ExtractedProgram("", NOTHING_FOUND)
    return ExtractedProgram("\n".join(lines[fences[-2] + 1 : fences[-1]]), "lines between the last two fences")


def _sanitize_continuation(problem: Problem, completion_text: str) -> ExtractedProgram:
    """Returns the code that EvalPlus's sanitizer keeps of the prompt followed by the completion.

    Source: evalplus/codegen.py, which does this for local models.
    """
    program = (problem.prompt.text or "") + completion_text.replace("\t", "    ")
    return _make_sanitizer_result(sanitize_like_evalplus(program, problem.entry_point), "EvalPlus's sanitizer")


def _sanitize_answer(problem: Problem, answer: str) -> ExtractedProgram:
    """Returns the code that EvalPlus's sanitizer keeps of the answer alone.

    Source: evalplus/codegen.py, which does this for API models.
    """
    return _make_sanitizer_result(sanitize_like_evalplus(answer, problem.entry_point), "EvalPlus's sanitizer")


def _sanitize_bigcodebench_continuation(problem: Problem, completion_text: str) -> ExtractedProgram:
    """Returns the code that BigCodeBench's sanitizer keeps of the prompt followed by the completion.

    Source: bigcodebench/generate.py, which does this for local models.
    """
    program = (problem.prompt.text or "") + completion_text.replace("\t", "    ")
    return _make_sanitizer_result(sanitize_like_bigcodebench(program, problem.entry_point), "BigCodeBench's sanitizer")


def _sanitize_bigcodebench_answer(problem: Problem, answer: str) -> ExtractedProgram:
    """Returns the code that BigCodeBench's sanitizer keeps of the answer alone.

    Source: bigcodebench/generate.py, which does this for API models.
    """
    return _make_sanitizer_result(sanitize_like_bigcodebench(answer, problem.entry_point), "BigCodeBench's sanitizer")


def _make_sanitizer_result(program: str, sanitizer_name: str) -> ExtractedProgram:
    return ExtractedProgram(program, sanitizer_name if program.strip() else NOTHING_FOUND)


EXTRACTION_RULES: Mapping[str, Callable[[Problem, str], ExtractedProgram]] = {
    "continue_stem": _join_prefix_and_completion,
    "continue_prompt": _join_prompt_and_completion,
    "as_it_is": _use_whole_answer,
    "stripped": _use_stripped_answer,
    "fenced": _extract_python_function,
    "fenced_function": _extract_multipl_e_function,
    "fenced_program": _extract_contest_program,
    "last_fences": _extract_last_code_block,
    "sanitized": _sanitize_continuation,
    "sanitized_answer": _sanitize_answer,
    "bigcodebench": _sanitize_bigcodebench_continuation,
    "bigcodebench_answer": _sanitize_bigcodebench_answer,
}
"""The values of a recipe's field `extraction`. Each function takes a problem and the text of a model's answer."""
