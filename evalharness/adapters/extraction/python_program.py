"""The project's own extraction rule for Python answers: finds the code that defines the tested function."""

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evalharness.adapters.extraction.code_blocks import (
    CodeBlock,
    blocks_between_code_markers,
    clean_answer,
    fenced_code_blocks,
    inline_and_indented_code_blocks,
)
from evalharness.adapters.extraction.extracted import NOTHING_FOUND, ExtractedProgram
from evalharness.adapters.extraction.python_syntax import (
    ParsedCode,
    defines_all_names,
    demonstration_statements,
    expose_methods_as_functions,
    future_imports,
    is_function_body,
    is_function_stub,
    names_bound_by,
    names_read_in,
    parse_code,
    sources_of_missing_definitions,
    text_without_statements,
)
from evalharness.adapters.extraction.reasoning import without_reasoning
from evalharness.adapters.extraction.sanitizer import longest_parsable_lines, sanitize_like_evalplus

PYTHON_TAGS = frozenset(
    {"", "py", "python", "python2", "python3", "py3", "pycon", "ipython", "sage", "code", "text", "plaintext"}
)
"""The languages that a code fence around Python code may name."""
FENCED_BLOCK = "fenced block"
CLASS_METHOD = "method of a class"
"""Where the program was found if the answer defines the function as a method."""
STDIN_NAMES = frozenset({"input", "stdin", "open", "raw_input", "fileinput"})
"""Names by which a program reads its standard input."""


class _SplitAnswer(NamedTuple):
    """An answer split into code blocks in one way, such as into its fenced blocks or into its inline code."""

    form: str
    """What a block of this split is called, such as "fenced block"."""
    blocks: Sequence[CodeBlock]
    codes: Sequence[ParsedCode | None]
    """The blocks parsed as Python code; None for those that do not parse."""


def extract_function_program(answer: str, prefix: str, tested_names: Sequence[str]) -> ExtractedProgram:
    """Returns the Python program in an answer that defines the functions or classes that the tests call.

    `tested_names` are the names of these functions or classes; if it is empty, any code is accepted. `prefix` is the
    code in the prompt; its imports and helper functions are put before the answer's code.
    """
    text = clean_answer(without_reasoning(answer))
    prompt_head = _prefix_before_tested_function(prefix, tested_names)
    parsed: list[ParsedCode] = []
    splits: list[_SplitAnswer] = []
    for form, blocks in _code_blocks_by_kind(text):
        splits.append(_SplitAnswer(form, blocks, [parse_code(block.text) for block in blocks]))
        parsed += [code for code in splits[-1].codes if code]
        if program := _program_from_blocks(splits[-1], prompt_head, tested_names):
            return program
    for split in splits:
        methods = [code and expose_methods_as_functions(code, tested_names) for code in split.codes]
        if program := _program_from_blocks(split._replace(form=CLASS_METHOD, codes=methods), prompt_head, tested_names):
            return program
    if sanitized := _program_from_sanitizer(text, prompt_head, tested_names):
        return ExtractedProgram(sanitized, "sanitizer")
    texts = [text, *(block.text for block in fenced_code_blocks(text))]
    if completed := _complete_prefix_with_body(texts, prefix, parsed, tested_names):
        return ExtractedProgram(completed, "body of the function")
    sanitized = sanitize_like_evalplus(text, tested_names[0] if tested_names else "")
    return ExtractedProgram(f"{prompt_head}\n{sanitized}", NOTHING_FOUND)


def _program_from_blocks(
    split_answer: "_SplitAnswer", prompt_head: str, tested_names: Sequence[str]
) -> ExtractedProgram | None:
    """Returns the program made from the last code block that defines all `tested_names`; None if no block does.

    `prompt_head` is the prompt's code before the tested function. Definitions that the block needs are taken from
    `prompt_head` and from the answer's other blocks.
    """
    codes = split_answer.codes
    position = _index_of_defining_block(codes, split_answer.blocks, tested_names)
    if position is None:
        return None
    code = codes[position]
    assert code is not None
    others = [other for other in (*codes[:position][::-1], *codes[position + 1 :]) if other]
    return ExtractedProgram(
        _assemble_program(code, others, prompt_head, tested_names),
        _describe_block_position(split_answer.form, position, len(codes)),
    )


def extract_contest_program(answer: str, method_name: str) -> ExtractedProgram:
    """Returns the Python program in an answer to a contest problem.

    `method_name` is the method of class `Solution` that the test cases call. The program is the code that defines this
    class; if there is none, the code that defines a function of that name. An empty `method_name` stands for a problem
    whose program reads stdin.
    """
    if not method_name:
        return extract_stdin_program(answer)
    program = extract_function_program(answer, "", ["Solution"])
    return program if program.location != NOTHING_FOUND else extract_function_program(answer, "", [method_name])


def extract_stdin_program(answer: str) -> ExtractedProgram:
    """Returns the program in an answer to a problem whose program reads stdin and prints.

    It is made from the last code block that reads stdin; if no block does, from the last one that prints.
    """
    text = clean_answer(without_reasoning(answer))
    for form, blocks in _code_blocks_by_kind(text):
        codes = [parse_code(block.text) for block in blocks]
        for names in (STDIN_NAMES, {"print", "stdout"}):
            for position in sorted(range(len(blocks)), key=lambda number: (blocks[number].tag in PYTHON_TAGS, number))[
                ::-1
            ]:
                code = codes[position]
                if code and _uses_any_name(code, names):
                    others = [other for other in (*codes[:position][::-1], *codes[position + 1 :]) if other]
                    return ExtractedProgram(
                        _assemble_program(code, others, "", ()), _describe_block_position(form, position, len(blocks))
                    )
    run = parse_code(longest_parsable_lines(text))
    if run and _uses_any_name(run, STDIN_NAMES):
        return ExtractedProgram(run.text, "sanitizer")
    return ExtractedProgram(text, NOTHING_FOUND)


def _code_blocks_by_kind(answer: str) -> Iterator[tuple[str, list[CodeBlock]]]:
    """Yields (kind of block, code blocks) for each way to split an answer into code blocks.

    Fenced blocks come first, then the parts between code markers, then indented and inline code.
    """
    blocks = fenced_code_blocks(answer)
    if blocks:
        yield FENCED_BLOCK, blocks
    yield "text between marks" if blocks or "```" in answer else "whole answer", blocks_between_code_markers(answer)
    yield "indented block or code in a line", inline_and_indented_code_blocks(answer)


def _describe_block_position(block_kind: str, position: int, count: int) -> str:
    """Returns where a program was found, such as "fenced block 2 of 3"; `position` counts from 0.

    Only fenced blocks are numbered.
    """
    return f"{block_kind} {position + 1} of {count}" if block_kind == FENCED_BLOCK and count > 1 else block_kind


def _index_of_defining_block(
    codes: Sequence[ParsedCode | None], blocks: Sequence[CodeBlock], tested_names: Sequence[str]
) -> int | None:
    """Returns the index of the code block that defines all `tested_names`; None if no block does.

    Of several, blocks whose functions have a body are preferred, then blocks tagged as Python, then the last one.
    """
    defining = [position for position, code in enumerate(codes) if code and defines_all_names(code, tested_names)]
    ranked = [
        (not is_function_stub(code, tested_names), blocks[position].tag in PYTHON_TAGS, position)
        for position in defining
        if (code := codes[position])
    ]
    return max(ranked)[2] if ranked else None


def _uses_any_name(code: ParsedCode, names: set[str] | frozenset[str]) -> bool:
    attributes = {node.attr for node in ast.walk(code.tree) if isinstance(node, ast.Attribute)}
    imported = {name for statement in code.tree.body for name in names_bound_by(statement)}
    return bool((names_read_in(code.tree) | attributes | imported) & names)


def _prefix_before_tested_function(prefix: str, tested_names: Sequence[str]) -> str:
    """Returns the part of `prefix` before its definition of function tested_names[0]; "" without such a definition."""
    match = tested_names and re.search(rf"^(?:async\s+)?def\s+{re.escape(tested_names[0])}\b", prefix, re.MULTILINE)
    return prefix[: match.start()] if match else ""


def _assemble_program(
    code: ParsedCode, other_blocks: Sequence[ParsedCode], prompt_head: str, tested_names: Sequence[str]
) -> str:
    """Returns the text of the program whose main part is the code block `code`.

    It consists of `__future__` imports, `prompt_head` (the prompt's code before the tested function), the definitions
    in other blocks that `code` uses, and `code` without statements that only print or test its results.
    """
    known = set[str]()
    if head_code := parse_code(prompt_head):
        known = {name for statement in head_code.tree.body for name in names_bound_by(statement)}
    helpers = sources_of_missing_definitions(code, other_blocks, known)
    futures = [part for other in (code, *other_blocks) for part in future_imports(other)]
    removed = [*future_imports(code), *(demonstration_statements(code, tested_names) if tested_names else ())]
    future = "".join(f"{ast.unparse(part)}\n" for part in futures)
    parts = [future, prompt_head, *helpers, text_without_statements(code, removed).strip("\n") + "\n"]
    return "\n".join(part for part in parts if part)


def _program_from_sanitizer(answer: str, prompt_head: str, tested_names: Sequence[str]) -> str | None:
    """Returns a program made from an answer's longest parsable lines, else from what EvalPlus's sanitizer keeps.

    Returns None if neither of them defines all `tested_names`, or if `tested_names` is empty.
    """
    entry_point = tested_names[0] if tested_names else ""
    for sanitize in (longest_parsable_lines, lambda answer: sanitize_like_evalplus(answer, entry_point)):
        code = parse_code(sanitize(answer))
        if code and tested_names and defines_all_names(code, tested_names):
            return _assemble_program(code, [], prompt_head, tested_names)
    return None


def _complete_prefix_with_body(
    answer_texts: Sequence[str], prefix: str, parsed_blocks: Sequence[ParsedCode], tested_names: Sequence[str]
) -> str | None:
    """Returns the prompt's code `prefix` with a function body from the answer appended; None without a valid body."""
    if not prefix.strip():
        return None
    bodies = [textwrap.indent(code.text, "    ") for code in parsed_blocks if is_function_body(code)]
    for body in (*bodies, *answer_texts):
        program = f"{prefix.rstrip()}\n{body.rstrip()}\n"
        code = parse_code(program)
        if code and defines_all_names(code, tested_names) and not is_function_stub(code, tested_names):
            demonstrations = demonstration_statements(code, tested_names)
            return text_without_statements(code, demonstrations) + "\n" if demonstrations else program
    return None
