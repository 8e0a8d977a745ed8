"""Splits code into top-level items: definitions, imports and statements, with their comments and attributes."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tree_sitter import Node
from tree_sitter_language_pack import get_parser

from evalharness.adapters.extraction.languages.nodes import COMMENT_NODES, declared_names, node_text, syntax_tokens_in
from evalharness.adapters.extraction.languages.syntax import LanguageSyntax

ATTRIBUTE_NODES = frozenset({"attribute_item", "decorator", "annotation"})
ASCII_ONLY_GRAMMARS = frozenset({"d"})
"""Grammars whose scanner crashes the process at some characters outside ASCII."""
NOT_ASCII = re.compile(rb"[\x80-\xff]")
PHP_OPENING_TAG = re.compile(r"<\?(?:php\b|(?!=))", re.IGNORECASE)


@dataclass(frozen=True)
class CodeItem:
    """A top-level definition, import or statement, or a member of the class that contains the tested function."""

    type: str
    text: str
    """The item's text with the comments and attributes before it."""
    names: frozenset[str]
    """The names that the item declares; empty for a statement."""
    tokens: frozenset[str]
    """The tokens of its code, and the words in them, such as x in $x; without comments and string literals."""
    in_class: bool = False
    """Whether it is a member of the class around the function."""
    has_error: bool = False
    """Whether a part of it is a syntax error."""


@dataclass(frozen=True)
class ParsedBlock:
    """A code block of an answer, split into code items: definitions, imports and statements."""

    items: tuple[CodeItem, ...]
    class_name: str = ""
    """The name of the class that contains the tested function, if there is one."""


def parse_source(grammar_name: str, source: bytes) -> Node:
    """Returns the root of the syntax tree of `source`, parsed by the tree-sitter grammar `grammar_name`."""
    if grammar_name in ASCII_ONLY_GRAMMARS:
        source = NOT_ASCII.sub(b"_", source)
    return get_parser(grammar_name).parse(source).root_node  # type: ignore[arg-type]


def split_into_code_items(text: str, syntax: LanguageSyntax, function_name: str) -> ParsedBlock:
    """Returns code split into its top-level items. A class that contains `function_name` is replaced by its members."""
    if syntax.grammar == "php":
        text = _with_php_opening_tag(text)
    source = text.encode()
    items: list[CodeItem] = []
    class_name = ""
    for node, item_text in _item_nodes_with_text(parse_source(syntax.grammar, source), syntax, source):
        body = _body_of_class_with_method(node, syntax, function_name)
        if body is None:
            items.append(_make_code_item(node, item_text))
            continue
        named = node.child_by_field_name("name")
        class_name = node_text(named) if named else ""
        items += [
            replace(_make_code_item(*member), in_class=True) for member in _item_nodes_with_text(body, syntax, source)
        ]
    return ParsedBlock(tuple(items), class_name)


def _with_php_opening_tag(text: str) -> str:
    """Returns PHP code with the opening tag `<?php`, which the tree-sitter grammar needs; replaces `<?` and `<?PHP`."""
    match = PHP_OPENING_TAG.search(text)
    if match is None:
        return f"<?php\n{text}"
    return f"{text[: match.start()]}<?php{text[match.end() :]}"


def _body_of_class_with_method(node: Node, syntax: LanguageSyntax, function_name: str) -> Node | None:
    """Returns the body of `node` if it is a class with the method `function_name`, else None."""
    body = node.child_by_field_name("body") if node.type in syntax.class_nodes else None
    if body is not None and any(function_name in declared_names(member) for member in body.named_children):
        return body
    return None


def _make_code_item(node: Node, text: str) -> CodeItem:
    return CodeItem(
        node.type, text, declared_names(node), syntax_tokens_in(node), has_error=node.has_error or node.type == "ERROR"
    )


def _item_nodes_with_text(parent: Node, syntax: LanguageSyntax, source: bytes) -> Iterator[tuple[Node, str]]:
    """Yields (node, text) of each definition, import and statement below a syntax node.

    The text includes the comments and attributes before the node.
    """
    leading_nodes: list[Node] = []
    children = _children_with_flattened_containers(parent, syntax)
    for position, node in enumerate(children):
        if not node.is_named:
            continue
        if node.type in COMMENT_NODES or node.type in ATTRIBUTE_NODES:
            leading_nodes.append(node)
            continue
        start = (leading_nodes[0] if leading_nodes else node).start_byte
        yield node, _text_with_indentation(source, start, _end_byte_after_punctuation(children, position))
        leading_nodes = []


def _children_with_flattened_containers(parent: Node, syntax: LanguageSyntax) -> list[Node]:
    """Returns a syntax node's children, with each container node, such as a namespace, replaced by its own children."""
    nodes: list[Node] = []
    for node in parent.children:
        inner = _container_contents(node, syntax)
        nodes += [node] if inner is None else _children_with_flattened_containers(inner, syntax)
    return nodes


def _container_contents(node: Node, syntax: LanguageSyntax) -> Node | None:
    """Returns the syntax node with the contents of a namespace, module or export; None if `node` is none of these."""
    if node.type == "export_statement" and node.type in syntax.container_nodes:
        return node if node.child_by_field_name("declaration") else None
    if node.type in syntax.container_nodes:
        blocks = [child for child in node.children if child.type in ("declaration_list", "block")]
        return node.child_by_field_name("body") or (blocks[0] if blocks else node)
    if syntax.grammar == "elixir" and node_text(node).startswith("defmodule"):
        return next((child for child in node.children if child.type == "do_block"), None)
    return None


def _end_byte_after_punctuation(children: Sequence[Node], child_index: int) -> int:
    """Returns the byte offset of the end of children[child_index], including the `;` and `,` that follow it."""
    end = children[child_index].end_byte
    for node in children[child_index + 1 :]:
        if node.is_named or node.type not in (";", ";;", ","):
            break
        end = node.end_byte
    return end


def _text_with_indentation(source: bytes, start_byte: int, end_byte: int) -> str:
    """Returns the text between two byte offsets of `source`, preceded by the indentation of its first line."""
    line_start = source.rfind(b"\n", 0, start_byte) + 1
    if not source[line_start:start_byte].strip():
        start_byte = line_start
    return source[start_byte:end_byte].decode(errors="replace").rstrip()
