"""Makes the program text that MultiPL-E's tests follow of a chat model's answer."""

import math
import re
from collections.abc import Sequence

from evalharness.adapters.extraction.code_blocks import CodeBlock, clean, code_blocks, loose_blocks
from evalharness.adapters.extraction.extracted import NOTHING, Extracted
from evalharness.adapters.extraction.languages.assembly import assemble
from evalharness.adapters.extraction.languages.items import Item, Unit, parse, split
from evalharness.adapters.extraction.languages.nodes import leaves, text_of
from evalharness.adapters.extraction.languages.selection import defines
from evalharness.adapters.extraction.languages.syntax import OTHER_TAGS, LanguageSyntax
from evalharness.adapters.extraction.languages.target import Target, before_definition, definition_pattern
from evalharness.adapters.extraction.python_program import function_program as python_function_program
from evalharness.adapters.extraction.reasoning import without_reasoning

MAX_PARAGRAPHS, MAX_PARSED = 12, 1_000_000
"""Paragraphs at which the code of an answer without fences may begin, and end; characters that are parsed for that."""


def function_program(answer: str, target: Target) -> Extracted:
    """Returns the program text that the tests follow: the prompt's head, and the answer's code for the function.

    Code that does not define the function is treated as its body and continues the prompt.
    """
    if target.language == "py":
        return python_function_program(answer, target.prompt, [target.name])
    text = clean(without_reasoning(answer))
    head = before_definition(target)
    fenced = code_blocks(text)
    for form, blocks in (
        ("fenced block", fenced),
        ("text between marks" if fenced else "whole answer", loose_blocks(text)),
    ):
        is_strict = form == "fenced block"
        units = [_unit(block, target, is_strict) for block in blocks]
        position = _position(units, blocks, target)
        if position is not None:
            unit = units[position]
            order = (*range(position)[::-1], *range(position + 1, len(units)))
            others = [
                [item for item in units[other].items if not item.has_error]
                for other in order
                if _is_tagged(blocks[other], target)
            ]
            rule = f"{form} {position + 1} of {len(blocks)}" if is_strict and len(blocks) > 1 else form
            return Extracted(assemble(unit, others, head, target), rule)
    bodies = [block for block in fenced if _is_tagged(block, target)] or fenced
    pattern = definition_pattern(target)
    if not target.syntax.classes and (defining := [block for block in bodies if pattern.search(block.text)]):
        # The grammar does not understand the function.
        parts = (head.rstrip("\n"), defining[-1].text.rstrip(), target.syntax.closed_by, target.syntax.end)
        return Extracted("\n".join(part for part in parts if part), "fenced block")
    body = bodies[0].text if bodies else loose_blocks(text)[0].text
    rule = "body of the function" if body.strip() else NOTHING
    return Extracted(target.prompt + _until_closing_brace(body.rstrip("\n"), target.syntax), rule)


def _unit(block: CodeBlock, target: Target, is_strict: bool) -> Unit:
    """Returns the block's items. Unless it is a fenced block, only those that the grammar understands are kept."""
    text = block.text if is_strict else _from_code_on(block.text, target)
    unit = split(text, target.syntax, target.name)
    if is_strict:
        return unit
    understood = [item for item in unit.items if (item.names or _is_import(item, target)) and not item.has_error]
    return Unit(tuple(understood), unit.class_name)


def _from_code_on(text: str, target: Target) -> str:
    """Returns the longest run of paragraphs in which the grammar understands the function; all if there is none."""
    breaks = [match.span() for match in re.finditer(r"\n[ \t]*\n", text)]
    first, last = text.find(target.name), text.rfind(target.name)
    most = max(1, min(MAX_PARAGRAPHS, math.isqrt(MAX_PARSED // (len(text) + 1))))
    starts = [0, *(end for _, end in breaks if end <= last)][:most]
    ends = [len(text), *(start for start, _ in reversed(breaks) if start > first)][:most]
    for start in starts:
        for end in ends:
            if start < end and _is_understood(text[start:end], target):
                return text[start:end]
    return text


def _is_understood(text: str, target: Target) -> bool:
    """Returns whether the text defines the function, and has only imports and definitions up to it."""
    for item in split(text, target.syntax, target.name).items:
        if item.has_error or not (item.names or _is_import(item, target)):
            return False
        if target.name in item.names:
            return True
    return False


def _is_import(item: Item, target: Target) -> bool:
    syntax = target.syntax
    kinds = (*syntax.imports, *syntax.first, *syntax.dropped, "using_declaration", "preproc_include", "use_declaration")
    return item.type in kinds or item.type.startswith(("use_", "import")) or "require" in item.words


def _is_tagged(block: CodeBlock, target: Target) -> bool:
    syntax = target.syntax
    return block.tag in OTHER_TAGS or block.tag in (syntax.grammar, target.language, *syntax.tags)


def _position(units: Sequence[Unit], blocks: Sequence[CodeBlock], target: Target) -> int | None:
    """Returns the position of the last block that defines the function; a block in another language comes last."""
    ranked = [
        (_is_tagged(blocks[position], target), not any(item.has_error for item in defining), position)
        for position, unit in enumerate(units)
        if (defining := [item for item in unit.items if defines(item, target)])
    ]
    return max(ranked)[2] if ranked else None


def _until_closing_brace(body: str, syntax: LanguageSyntax) -> str:
    """Returns a function's body up to the brace that closes the function, where the tests begin with that brace."""
    if not syntax.closed_by:
        return body
    depth, source = 0, body.encode()
    for leaf in leaves(parse(syntax.grammar, source)):
        depth += {"{": 1, "}": -1, "${": 1}.get(text_of(leaf), 0)
        if depth < 0:
            return source[: leaf.start_byte].decode(errors="replace").rstrip()
    return body
