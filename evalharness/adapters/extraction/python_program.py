"""The project's own extraction rule for Python answers: finds the code that defines the tested function."""

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evalharness.adapters.extraction.code_blocks import CodeBlock, clean_answer, code_blocks, loose_blocks, small_pieces
from evalharness.adapters.extraction.extracted import NOTHING, Extracted
from evalharness.adapters.extraction.python_syntax import (
    ParsedCode,
    bound_by,
    defines_all,
    demonstration_statements,
    future_imports,
    is_body,
    is_stub,
    needed_from,
    parse_code,
    used_by,
    with_methods,
    without_statements,
)
from evalharness.adapters.extraction.reasoning import without_reasoning
from evalharness.adapters.extraction.sanitizer import longest_parsable_run, sanitize

TAGS = frozenset(
    {"", "py", "python", "python2", "python3", "py3", "pycon", "ipython", "sage", "code", "text", "plaintext"}
)
"""The languages that a code fence around Python code may name."""
FENCED = "fenced block"
METHOD = "method of a class"
"""The rule of an answer that has the function as a method."""
INPUTS = frozenset({"input", "stdin", "open", "raw_input", "fileinput"})
"""Names by which a program reads its standard input."""


class _AnswerAsBlocks(NamedTuple):
    """An answer split into code blocks in one way: the blocks, their syntax trees, and what such a block is called."""

    form: str
    """The name of its blocks, such as "fenced block"."""
    blocks: Sequence[CodeBlock]
    codes: Sequence[ParsedCode | None]
    """The blocks parsed as Python code; None for those that do not parse."""


def function_program(answer: str, prefix: str, names: Sequence[str]) -> Extracted:
    """Returns the Python program in an answer that defines the functions or classes `names`, which the tests call.

    `prefix` is the prompt's code, up to where the answer continues it; its imports and helper functions are put before
    the answer's code. Empty `names` accept any code.
    """
    text = clean_answer(without_reasoning(answer))
    head = _before_definition(prefix, names)
    seen: list[ParsedCode] = []
    readings: list[_AnswerAsBlocks] = []
    for form, blocks in _splits_into_blocks(text):
        readings.append(_AnswerAsBlocks(form, blocks, [parse_code(block.text) for block in blocks]))
        seen += [code for code in readings[-1].codes if code]
        if found := _program_of_blocks(readings[-1], head, names):
            return found
    for reading in readings:
        methods = [code and with_methods(code, names) for code in reading.codes]
        if found := _program_of_blocks(reading._replace(form=METHOD, codes=methods), head, names):
            return found
    if sanitized := _program_by_sanitizer(text, head, names):
        return Extracted(sanitized, "sanitizer")
    texts = [text, *(block.text for block in code_blocks(text))]
    if body := _prefix_with_body(texts, prefix, seen, names):
        return Extracted(body, "body of the function")
    return Extracted(f"{head}\n{sanitize(text, names[0] if names else '')}", NOTHING)


def _program_of_blocks(reading: "_AnswerAsBlocks", head: str, names: Sequence[str]) -> Extracted | None:
    """Returns the program of the answer's last code block that defines the names; None if none does."""
    codes = reading.codes
    position = _chosen_block_index(codes, reading.blocks, names)
    if position is None:
        return None
    code = codes[position]
    assert code is not None
    others = [other for other in (*codes[:position][::-1], *codes[position + 1 :]) if other]
    return Extracted(_assemble_program(code, others, head, names), _rule_text(reading.form, position, len(codes)))


def contest_program(answer: str, method: str) -> Extracted:
    """Returns the Python program in an answer to a contest problem, for the method that test cases call, if any.

    With a method, it is the code that defines the class Solution, else a function of the method's name.
    """
    if not method:
        return stdin_program(answer)
    found = function_program(answer, "", ["Solution"])
    return found if found.rule != NOTHING else function_program(answer, "", [method])


def stdin_program(answer: str) -> Extracted:
    """Returns the program in an answer to a stdin problem: the last block that reads stdin, else one that prints."""
    text = clean_answer(without_reasoning(answer))
    for form, blocks in _splits_into_blocks(text):
        codes = [parse_code(block.text) for block in blocks]
        for wanted in (INPUTS, {"print", "stdout"}):
            for position in sorted(range(len(blocks)), key=lambda number: (blocks[number].tag in TAGS, number))[::-1]:
                code = codes[position]
                if code and _uses_any_name(code, wanted):
                    others = [other for other in (*codes[:position][::-1], *codes[position + 1 :]) if other]
                    return Extracted(_assemble_program(code, others, "", ()), _rule_text(form, position, len(blocks)))
    run = parse_code(longest_parsable_run(text))
    if run and _uses_any_name(run, INPUTS):
        return Extracted(run.text, "sanitizer")
    return Extracted(text, NOTHING)


def _splits_into_blocks(text: str) -> Iterator[tuple[str, list[CodeBlock]]]:
    """Yields ways to read an answer as code blocks, the strictest first: (name of such a block, the blocks)."""
    blocks = code_blocks(text)
    if blocks:
        yield FENCED, blocks
    yield "text between marks" if blocks or "```" in text else "whole answer", loose_blocks(text)
    yield "indented block or code in a line", small_pieces(text)


def _rule_text(form: str, position: int, number: int) -> str:
    """Returns how a program was found, such as "fenced block 2 of 3"; only fenced blocks are numbered."""
    return f"{form} {position + 1} of {number}" if form == FENCED and number > 1 else form


def _chosen_block_index(
    codes: Sequence[ParsedCode | None], blocks: Sequence[CodeBlock], names: Sequence[str]
) -> int | None:
    """Returns the index of the code block to use: the last that defines the names, preferably tagged as Python."""
    defining = [position for position, code in enumerate(codes) if code and defines_all(code, names)]
    ranked = [
        (not is_stub(code, names), blocks[position].tag in TAGS, position)
        for position in defining
        if (code := codes[position])
    ]
    return max(ranked)[2] if ranked else None


def _uses_any_name(code: ParsedCode, names: set[str] | frozenset[str]) -> bool:
    attributes = {node.attr for node in ast.walk(code.tree) if isinstance(node, ast.Attribute)}
    imported = {name for statement in code.tree.body for name in bound_by(statement)}
    return bool((used_by(code.tree) | attributes | imported) & names)


def _before_definition(prefix: str, names: Sequence[str]) -> str:
    """Returns the task's prefix before the definition of the first name; "" if it defines none."""
    match = names and re.search(rf"^(?:async\s+)?def\s+{re.escape(names[0])}\b", prefix, re.MULTILINE)
    return prefix[: match.start()] if match else ""


def _assemble_program(code: ParsedCode, others: Sequence[ParsedCode], head: str, names: Sequence[str]) -> str:
    """Returns a program's text: `__future__` imports, the task's prefix, needed parts of other blocks, the code."""
    known = set[str]()
    if head_code := parse_code(head):
        known = {name for statement in head_code.tree.body for name in bound_by(statement)}
    helpers = needed_from(code, others, known)
    futures = [part for other in (code, *others) for part in future_imports(other)]
    removed = [*future_imports(code), *(demonstration_statements(code, names) if names else ())]
    future = "".join(f"{ast.unparse(part)}\n" for part in futures)
    parts = [future, head, *helpers, without_statements(code, removed).strip("\n") + "\n"]
    return "\n".join(part for part in parts if part)


def _program_by_sanitizer(text: str, head: str, names: Sequence[str]) -> str | None:
    """Returns the program that EvalPlus's sanitizer finds in an answer; None if it does not define the names."""
    for sanitized in (longest_parsable_run, lambda text: sanitize(text, names[0] if names else "")):
        code = parse_code(sanitized(text))
        if code and names and defines_all(code, names):
            return _assemble_program(code, [], head, names)
    return None


def _prefix_with_body(
    texts: Sequence[str], prefix: str, seen: Sequence[ParsedCode], names: Sequence[str]
) -> str | None:
    """Returns the task's prefix, continued by an answer's code as the function's body; None if none fits."""
    if not prefix.strip():
        return None
    bodies = [textwrap.indent(code.text, "    ") for code in seen if is_body(code)]
    for body in (*bodies, *texts):
        program = f"{prefix.rstrip()}\n{body.rstrip()}\n"
        code = parse_code(program)
        if code and defines_all(code, names) and not is_stub(code, names):
            shown = demonstration_statements(code, names)
            return without_statements(code, shown) + "\n" if shown else program
    return None
