"""The project's own extraction rule for Python answers: finds the code that defines the tested function."""

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evalharness.adapters.extraction.code_blocks import CodeBlock, clean, code_blocks, loose_blocks, small_pieces
from evalharness.adapters.extraction.extracted import NOTHING, Extracted
from evalharness.adapters.extraction.python_syntax import (
    ParsedCode,
    bound_by,
    defines,
    demonstrations,
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


class _Reading(NamedTuple):
    """A way to read an answer as code blocks: the blocks, parsed, and the name of such a block."""

    form: str
    """The name of its blocks, such as "fenced block"."""
    blocks: Sequence[CodeBlock]
    codes: Sequence[ParsedCode | None]
    """The blocks parsed as Python code; None for those that do not parse."""


def function_program(answer: str, prefix: str, names: Sequence[str]) -> Extracted:
    """Returns the Python program in an answer that defines the functions or classes `names`, which the tests call.

    `prefix` is the text that the task has before and in the first function: its imports and helper functions come
    before the answer's code. Empty `names` accept any code.
    """
    text = clean(without_reasoning(answer))
    head = _before_definition(prefix, names)
    seen: list[ParsedCode] = []
    readings: list[_Reading] = []
    for form, blocks in _readings(text):
        readings.append(_Reading(form, blocks, [parse_code(block.text) for block in blocks]))
        seen += [code for code in readings[-1].codes if code]
        if found := _found(readings[-1], head, names):
            return found
    for reading in readings:
        methods = [code and with_methods(code, names) for code in reading.codes]
        if found := _found(reading._replace(form=METHOD, codes=methods), head, names):
            return found
    if sanitized := _sanitized(text, head, names):
        return Extracted(sanitized, "sanitizer")
    texts = [text, *(block.text for block in code_blocks(text))]
    if body := _continued(texts, prefix, seen, names):
        return Extracted(body, "body of the function")
    return Extracted(f"{head}\n{sanitize(text, names[0] if names else '')}", NOTHING)


def _found(reading: "_Reading", head: str, names: Sequence[str]) -> Extracted | None:
    """Returns the program of the last code block of a reading that defines the names; None if none does."""
    codes = reading.codes
    position = _position(codes, reading.blocks, names)
    if position is None:
        return None
    code = codes[position]
    assert code is not None
    others = [other for other in (*codes[:position][::-1], *codes[position + 1 :]) if other]
    return Extracted(_assemble(code, others, head, names), _rule(reading.form, position, len(codes)))


def contest_program(answer: str, method: str) -> Extracted:
    """Returns the Python program in an answer to a contest problem, for the method that test cases call, if any.

    With a method, it is the code that defines the class Solution, else a function of the method's name.
    """
    if not method:
        return stdin_program(answer)
    found = function_program(answer, "", ["Solution"])
    return found if found.rule != NOTHING else function_program(answer, "", [method])


def stdin_program(answer: str) -> Extracted:
    """Returns the program in an answer to a stdin problem: the last code block that reads stdin, else that prints."""
    text = clean(without_reasoning(answer))
    for form, blocks in _readings(text):
        codes = [parse_code(block.text) for block in blocks]
        for wanted in (INPUTS, {"print", "stdout"}):
            for position in sorted(range(len(blocks)), key=lambda number: (blocks[number].tag in TAGS, number))[::-1]:
                code = codes[position]
                if code and _mentions(code, wanted):
                    others = [other for other in (*codes[:position][::-1], *codes[position + 1 :]) if other]
                    return Extracted(_assemble(code, others, "", ()), _rule(form, position, len(blocks)))
    run = parse_code(longest_parsable_run(text))
    if run and _mentions(run, INPUTS):
        return Extracted(run.text, "sanitizer")
    return Extracted(text, NOTHING)


def _readings(text: str) -> Iterator[tuple[str, list[CodeBlock]]]:
    """Yields ways to read an answer as code blocks, the strictest first: (name of such a block, the blocks)."""
    blocks = code_blocks(text)
    if blocks:
        yield FENCED, blocks
    yield "text between marks" if blocks or "```" in text else "whole answer", loose_blocks(text)
    yield "indented block or code in a line", small_pieces(text)


def _rule(form: str, position: int, number: int) -> str:
    """Returns how a program was found, such as "fenced block 2 of 3"; only fenced blocks are numbered."""
    return f"{form} {position + 1} of {number}" if form == FENCED and number > 1 else form


def _position(codes: Sequence[ParsedCode | None], blocks: Sequence[CodeBlock], names: Sequence[str]) -> int | None:
    """Returns the index of the code block to use: the last that defines the names, preferably tagged as Python."""
    defining = [position for position, code in enumerate(codes) if code and defines(code, names)]
    ranked = [
        (not is_stub(code, names), blocks[position].tag in TAGS, position)
        for position in defining
        if (code := codes[position])
    ]
    return max(ranked)[2] if ranked else None


def _mentions(code: ParsedCode, names: set[str] | frozenset[str]) -> bool:
    attributes = {node.attr for node in ast.walk(code.tree) if isinstance(node, ast.Attribute)}
    imported = {name for statement in code.tree.body for name in bound_by(statement)}
    return bool((used_by(code.tree) | attributes | imported) & names)


def _before_definition(prefix: str, names: Sequence[str]) -> str:
    """Returns the task's prefix before the definition of the first name; "" if it defines none."""
    match = names and re.search(rf"^(?:async\s+)?def\s+{re.escape(names[0])}\b", prefix, re.MULTILINE)
    return prefix[: match.start()] if match else ""


def _assemble(code: ParsedCode, others: Sequence[ParsedCode], head: str, names: Sequence[str]) -> str:
    """Returns a program's text: `__future__` imports, the task's prefix, needed parts of other blocks, the code."""
    known = set[str]()
    if head_code := parse_code(head):
        known = {name for statement in head_code.tree.body for name in bound_by(statement)}
    helpers = needed_from(code, others, known)
    futures = [part for other in (code, *others) for part in future_imports(other)]
    removed = [*future_imports(code), *(demonstrations(code, names) if names else ())]
    future = "".join(f"{ast.unparse(part)}\n" for part in futures)
    parts = [future, head, *helpers, without_statements(code, removed).strip("\n") + "\n"]
    return "\n".join(part for part in parts if part)


def _sanitized(text: str, head: str, names: Sequence[str]) -> str | None:
    """Returns the program that EvalPlus's sanitizer finds in an answer; None if it does not define the names."""
    for sanitized in (longest_parsable_run, lambda text: sanitize(text, names[0] if names else "")):
        code = parse_code(sanitized(text))
        if code and names and defines(code, names):
            return _assemble(code, [], head, names)
    return None


def _continued(texts: Sequence[str], prefix: str, seen: Sequence[ParsedCode], names: Sequence[str]) -> str | None:
    """Returns the task's prefix, continued by an answer's code as the function's body; None if none fits."""
    if not prefix.strip():
        return None
    bodies = [textwrap.indent(code.text, "    ") for code in seen if is_body(code)]
    for body in (*bodies, *texts):
        program = f"{prefix.rstrip()}\n{body.rstrip()}\n"
        code = parse_code(program)
        if code and defines(code, names) and not is_stub(code, names):
            shown = demonstrations(code, names)
            return without_statements(code, shown) + "\n" if shown else program
    return None
