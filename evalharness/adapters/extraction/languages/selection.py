"""Selects the code items that the tested function needs; those that only print, test or export it are left out."""

import re
from collections.abc import Iterable, Sequence

from evalharness.adapters.extraction.languages.items import CodeItem, split_into_code_items
from evalharness.adapters.extraction.languages.target import TestedFunction

DEMONSTRATION = re.compile(
    r"\(?\s*(?:print(?:ln|f|_\w+)?!?|puts|echo|p|pp|say|display(?:ln)?|write(?:ln)?|cat|message|exit|quit|q|die|abort|"
    r"(?:console|process|os|sys|io|IO|Printf|System|Console|Debug)\.[\w.]+|var_dump|print_r|stopifnot|test|describe|"
    r"it|test_that|ExUnit\.\w+|main|return|assert\w*|provide|module\+|check-\w+|unittest\.main|"
    r"set\s+[-+][euxovpipefail ]+|"
    r"@(?:assert|test\w*|show|main)|"
    r"if\s*\(?\s*(?:__FILE__|require\.main|interactive\(|abspath\(|!caller|\[\[?\s*\W*BASH_SOURCE))"
    r"(?![\w.])"
)
"""The beginning of a statement that prints or tests the function's results, ends the program, or exports names."""
EXPORT = re.compile(r"(?:module\.)?exports\b|export\b")
EXIT_WORDS = frozenset({"exit", "exit!", "quit", "die", "abort", "halt"})
"""Words of statements that may end the program before its tests."""
TEST_CODE = re.compile(r"(?:#\[cfg\(test\)\]|@(?:Test|main)\b|use\s+(?:Test::|ExUnit\b))")


def defines_function(item: CodeItem, target: TestedFunction) -> bool:
    """Returns whether a code item defines the tested function; a signature without a body does not count."""
    is_prototype = item.type == "function_signature" or (item.type == "declaration" and "{" not in item.text)
    return target.name in item.names and not is_prototype and item.type != "signature"


def items_needed_by_function(
    items: Sequence[CodeItem], other_blocks: Sequence[Sequence[CodeItem]], prompt_head: str, target: TestedFunction
) -> list[CodeItem]:
    """Returns the code items that the tested function needs, itself included: first from other blocks, then `items`.

    `items` are those of the code block that defines the function. `other_blocks` has the items of each other block:
    first the blocks before that block, from the nearest to the farthest, then the blocks after it. If two of them
    define the same name, the first definition is used.
    """
    needed = _tokens_used_by_function([*items, *(item for block in other_blocks for item in block)], target.name)
    defined = {name for item in items for name in item.names}
    helpers: list[CodeItem] = []
    for block in other_blocks:
        block_helpers = [item for item in block if _is_needed_from_other_block(item, needed - defined, needed, target)]
        defined |= {name for item in block_helpers for name in item.names}
        helpers = [*block_helpers, *helpers]
    callers = _names_of_callers(items, target.name, needed)
    provided = _names_declared_in(prompt_head, target) | _names_declared_in(target.tests, target)
    chosen = [
        item
        for item in items
        if defines_function(item, target)
        or target.name in item.names
        or not (
            _is_left_out_of_program(item, target, needed, callers)
            or (item.names & provided and not item.names - provided)
        )
    ]
    return [*helpers, *chosen]


def _is_needed_from_other_block(
    item: CodeItem, missing_names: frozenset[str], needed_names: frozenset[str], target: TestedFunction
) -> bool:
    """Returns whether an item of another code block defines one of `missing_names` or imports one of `needed_names`.

    `needed_names` are all names that the tested function uses; `missing_names` are those still undefined.
    An item that uses or defines the tested function is never needed.
    """
    is_import = item.type in target.syntax.import_nodes and bool(item.tokens & needed_names)
    return target.name not in item.tokens and (is_import or bool(item.names & missing_names))


def _is_left_out_of_program(
    item: CodeItem, target: TestedFunction, needed_names: frozenset[str], caller_names: frozenset[str]
) -> bool:
    """Returns whether a code item only calls, prints, tests or exports the tested function, or is a package clause.

    `needed_names` are the names that the tested function depends on; `caller_names` those of functions that call it.
    """
    code = _text_without_leading_comments(item)
    if item.type in target.syntax.dropped_nodes or TEST_CODE.match(item.text.lstrip()):
        return True
    if item.names:
        is_main = bool(item.names & set(target.syntax.main_functions))
        return not item.names & needed_names and (is_main or bool(item.tokens & caller_names))
    return (
        bool(item.tokens & (caller_names | EXIT_WORDS) or DEMONSTRATION.match(code) or EXPORT.match(code))
        and item.type not in target.syntax.import_nodes
    )


def _text_without_leading_comments(item: CodeItem) -> str:
    """Returns a code item's text without the comment lines at its beginning."""
    lines = item.text.lstrip().split("\n")
    while len(lines) > 1 and lines[0].lstrip().startswith(("//", "#", "--", ";", "/*", "*")) and not item.names:
        lines = lines[1:]
    return "\n".join(lines).lstrip()


def _tokens_used_by_function(items: Iterable[CodeItem], function_name: str) -> frozenset[str]:
    """Returns the function's name and the tokens in its code and in that of all items that it (transitively) uses."""
    uses: dict[str, set[str]] = {}
    for item in items:
        for declared in item.names:
            uses.setdefault(declared, set()).update(item.tokens)
    reached, pending = set[str](), [function_name]
    while pending:
        word = pending.pop()
        if word not in reached:
            reached.add(word)
            pending.extend(uses.get(word, ()))
    return frozenset(reached)


def _names_of_callers(items: Sequence[CodeItem], function_name: str, needed_names: frozenset[str]) -> frozenset[str]:
    """Returns the function's name and the names of the items that use it, directly or transitively.

    Items that declare one of `needed_names` are excluded, because the function itself uses them.
    """
    callers, grown = {function_name}, True
    while grown:
        new = {
            declared
            for item in items
            if item.tokens & callers and not item.names & needed_names
            for declared in item.names
        } - callers
        callers |= new
        grown = bool(new)
    return frozenset(callers)


def _names_declared_in(text: str, target: TestedFunction) -> frozenset[str]:
    """Returns the names that a part of a program declares at its top level.

    In languages whose functions are members of a class, returns no names, because `text` is only a part of the class.
    """
    if target.syntax.class_nodes:
        return frozenset()
    return frozenset(
        name for item in split_into_code_items(text, target.syntax, target.name).items for name in item.names
    )
