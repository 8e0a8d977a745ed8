"""Extracts the program from a chat model's answer in any language of MultiPL-E."""

import math
import re
from collections.abc import Sequence

from evalharness.adapters.extraction.code_blocks import (
    CodeBlock,
    blocks_between_code_markers,
    clean_answer,
    fenced_code_blocks,
)
from evalharness.adapters.extraction.extracted import NOTHING_FOUND, ExtractedProgram
from evalharness.adapters.extraction.languages.assembly import assemble_program
from evalharness.adapters.extraction.languages.items import CodeItem, ParsedBlock, parse_source, split_into_code_items
from evalharness.adapters.extraction.languages.nodes import leaf_nodes, node_text
from evalharness.adapters.extraction.languages.selection import defines_function
from evalharness.adapters.extraction.languages.syntax import NEUTRAL_TAGS, LanguageSyntax
from evalharness.adapters.extraction.languages.target import (
    TestedFunction,
    definition_pattern,
    prompt_before_definition,
)
from evalharness.adapters.extraction.python_program import extract_function_program as python_function_program
from evalharness.adapters.extraction.reasoning import without_reasoning

MAX_PARAGRAPHS, MAX_PARSED = 12, 1_000_000
"""Limits of the search for code in answers without fences: paragraphs tried as its start or end, characters parsed."""


def extract_function_program(answer: str, target: TestedFunction) -> ExtractedProgram:
    """Returns the program in a MultiPL-E answer, without tests: the prompt's beginning, then the tested function.

    If no code in the answer defines the function, the code is used as the function's body and appended to the prompt.
    """
    if target.language == "py":
        return python_function_program(answer, target.prompt, [target.name])
    text = clean_answer(without_reasoning(answer))
    prompt_head = prompt_before_definition(target)
    fenced = fenced_code_blocks(text)
    for form, blocks in (
        ("fenced block", fenced),
        ("text between marks" if fenced else "whole answer", blocks_between_code_markers(text)),
    ):
        is_strict = form == "fenced block"
        parsed_blocks = [_parse_block(block, target, is_strict) for block in blocks]
        position = _index_of_defining_block(parsed_blocks, blocks, target)
        if position is not None:
            parsed_block = parsed_blocks[position]
            order = (*range(position)[::-1], *range(position + 1, len(parsed_blocks)))
            others = [
                [item for item in parsed_blocks[other].items if not item.has_error]
                for other in order
                if _may_be_in_target_language(blocks[other], target)
            ]
            location = f"{form} {position + 1} of {len(blocks)}" if is_strict and len(blocks) > 1 else form
            return ExtractedProgram(assemble_program(parsed_block, others, prompt_head, target), location)
    bodies = [block for block in fenced if _may_be_in_target_language(block, target)] or fenced
    pattern = definition_pattern(target)
    if not target.syntax.class_nodes and (defining := [block for block in bodies if pattern.search(block.text)]):
        # The function has a syntax error.
        parts = (
            prompt_head.rstrip("\n"),
            defining[-1].text.rstrip(),
            target.syntax.empty_function_head,
            target.syntax.module_end,
        )
        return ExtractedProgram("\n".join(part for part in parts if part), "fenced block")
    body = bodies[0].text if bodies else blocks_between_code_markers(text)[0].text
    location = "body of the function" if body.strip() else NOTHING_FOUND
    return ExtractedProgram(target.prompt + _cut_at_closing_brace(body.rstrip("\n"), target.syntax), location)


def _parse_block(block: CodeBlock, target: TestedFunction, is_fenced: bool) -> ParsedBlock:
    """Returns a code block split into code items (definitions, imports, statements).

    Of a block without a fence, which may contain prose, only definitions and imports without syntax errors are kept.
    """
    text = block.text if is_fenced else _longest_parsable_paragraphs(block.text, target)
    parsed_block = split_into_code_items(text, target.syntax, target.name)
    if is_fenced:
        return parsed_block
    valid_items = [
        item for item in parsed_block.items if (item.names or _is_import(item, target)) and not item.has_error
    ]
    return ParsedBlock(tuple(valid_items), parsed_block.class_name)


def _longest_parsable_paragraphs(text: str, target: TestedFunction) -> str:
    """Returns consecutive paragraphs of a text that are code and define the tested function; else the whole text.

    If there are several choices, the paragraphs with the earliest start are chosen, and of these those with the latest
    end.
    """
    breaks = [match.span() for match in re.finditer(r"\n[ \t]*\n", text)]
    first, last = text.find(target.name), text.rfind(target.name)
    max_tries = max(1, min(MAX_PARAGRAPHS, math.isqrt(MAX_PARSED // (len(text) + 1))))
    starts = [0, *(end for _, end in breaks if end <= last)][:max_tries]
    ends = [len(text), *(start for start, _ in reversed(breaks) if start > first)][:max_tries]
    for start in starts:
        for end in ends:
            if start < end and _has_only_code_up_to_function(text[start:end], target):
                return text[start:end]
    return text


def _has_only_code_up_to_function(text: str, target: TestedFunction) -> bool:
    """Returns whether a text defines the tested function and has only valid imports and definitions before it."""
    for item in split_into_code_items(text, target.syntax, target.name).items:
        if item.has_error or not (item.names or _is_import(item, target)):
            return False
        if target.name in item.names:
            return True
    return False


def _is_import(item: CodeItem, target: TestedFunction) -> bool:
    syntax = target.syntax
    kinds = (
        *syntax.import_nodes,
        *syntax.leading_nodes,
        *syntax.dropped_nodes,
        "using_declaration",
        "preproc_include",
        "use_declaration",
    )
    return item.type in kinds or item.type.startswith(("use_", "import")) or "require" in item.tokens


def _may_be_in_target_language(block: CodeBlock, target: TestedFunction) -> bool:
    syntax = target.syntax
    return block.tag in NEUTRAL_TAGS or block.tag in (syntax.grammar, target.language, *syntax.tags)


def _index_of_defining_block(
    parsed_blocks: Sequence[ParsedBlock], blocks: Sequence[CodeBlock], target: TestedFunction
) -> int | None:
    """Returns the index of the code block that defines the tested function; None if no block does.

    Of several, blocks that may be in the problem's language are preferred, then blocks without syntax errors, then the
    last block.
    """
    ranked = [
        (_may_be_in_target_language(blocks[position], target), not any(item.has_error for item in defining), position)
        for position, parsed_block in enumerate(parsed_blocks)
        if (defining := [item for item in parsed_block.items if defines_function(item, target)])
    ]
    return max(ranked)[2] if ranked else None


def _cut_at_closing_brace(body: str, syntax: LanguageSyntax) -> str:
    """Returns a function's body without its closing brace and the text after it.

    In languages in which the tests do not begin with this brace, returns the body unchanged.
    """
    if not syntax.empty_function_head:
        return body
    depth, source = 0, body.encode()
    for leaf in leaf_nodes(parse_source(syntax.grammar, source)):
        depth += {"{": 1, "}": -1, "${": 1}.get(node_text(leaf), 0)
        if depth < 0:
            return source[: leaf.start_byte].decode(errors="replace").rstrip()
    return body
