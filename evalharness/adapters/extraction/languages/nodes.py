"""Reads tree-sitter syntax nodes: the names that they declare, and the tokens that they use."""

import re
from collections.abc import Iterator

from tree_sitter import Node

NAME_FIELDS = ("name", "declarator", "lhs", "left", "pattern", "variable", "variables")
"""The fields of a syntax node that hold a declared name, over all grammars."""
WRAPPER_NODES = frozenset({
    "alias_declaration", "ambient_declaration", "annotated_declaration", "auto_declaration", "const_declaration",
    "const_statement", "declaration", "declaration_command", "decorated_definition", "export_statement",
    "expression_statement", "field_declaration", "global_statement", "lexical_declaration", "local_declaration",
    "module_definition", "static_declaration", "template_declaration", "type_declaration", "type_definition",
    "value_definition", "var_declaration", "variable_assignments", "variable_declaration",
})  # fmt: skip
"""Types of syntax nodes that declare what their children declare."""
DECLARING_NODES = re.compile(
    r".*(?:declarator|assignment|assignment_statement|assignment_expression|binding|_spec|initializer|alias)$"
)
"""Types of a wrapper node's children that declare a name."""
SCOPED_NODES = frozenset({
    "attribute", "dot_index_expression", "element_reference", "field_expression", "generic_name",
    "index_expression", "member_expression", "method_expression", "method_index_expression", "nested_identifier",
    "parenthesized_operator", "qualified_identifier", "scoped_identifier", "subscript_expression", "unit_pattern",
})  # fmt: skip
"""Types of syntax nodes that name a part of something else, such as an attribute; they declare nothing."""
COMMENT_NODES = frozenset({"comment", "line_comment", "block_comment", "haddock", "pod", "multiline_comment"})
STRING_NODES = frozenset({"string_content", "string_fragment", "character", "char_literal", "heredoc_content"})
IDENTIFIER = re.compile(r"[^\W\d][\w?!'*/+<>=.-]*")
ELIXIR_DEFINITIONS = frozenset({"def", "defp", "defmacro", "defmacrop", "defguard", "defmodule"})
RACKET_DEFINITIONS = frozenset({
    "define", "define-struct", "define-syntax", "define-syntax-rule", "define-values", "define/contract",
    "define/match", "struct",
})  # fmt: skip


def node_text(node: Node) -> str:
    """Returns the source text of a syntax node."""
    return (node.text or b"").decode(errors="replace")


def leaf_nodes(node: Node) -> Iterator[Node]:
    """Yields the leaf nodes of the syntax tree below a node, in the order of the source text."""
    cursor = node.walk()
    while True:
        if not cursor.goto_first_child():
            if cursor.node is not None:
                yield cursor.node
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return


def syntax_tokens_in(node: Node) -> frozenset[str]:
    """Returns the tokens in a syntax node, except comments and strings, and the names in tokens, such as x in $x."""
    tokens: set[str] = set()
    for leaf in leaf_nodes(node):
        if leaf.type not in COMMENT_NODES and leaf.type not in STRING_NODES:
            text = node_text(leaf)
            tokens.add(text)
            tokens.update(IDENTIFIER.findall(text))
    return frozenset(tokens)


def declared_names(node: Node) -> frozenset[str]:
    """Returns the names that a top-level syntax node declares, such as a function's; none for a plain statement."""
    if node.type == "call" and (target := node.child_by_field_name("target")):
        return _names_in_elixir_definition(node, node_text(target))
    if node.type == "list" and node.named_children:
        return _names_in_racket_definition(node)
    if node.type == "binary_operator":
        operator = node.child_by_field_name("operator")
        if operator is None or node_text(operator) not in ("<-", "=", "<<-"):
            return frozenset()
    if node.type.endswith("call_expression") or node.type in ("function_call", "call", "command", "pipeline"):
        return frozenset()
    if node.type in ("class_declaration", "import_declaration") and node_text(node).startswith("extension"):
        return frozenset()
    if node.type == "impl_item":
        return frozenset()
    if node.type in WRAPPER_NODES:
        return _names_in_child_declarations(node)
    return _names_in_name_fields(node) or _names_in_child_declarations(node)


def _names_in_name_fields(node: Node) -> frozenset[str]:
    for field in NAME_FIELDS:
        children = node.children_by_field_name(field)
        if children:
            return frozenset().union(*(_names_in_declarator(child) for child in children))
    return frozenset()


def _names_in_child_declarations(node: Node) -> frozenset[str]:
    names: set[str] = set()
    if node.type in WRAPPER_NODES:
        names |= _names_in_name_fields(node)
        for child in node.named_children:
            if child.type in WRAPPER_NODES or DECLARING_NODES.match(child.type) or "definition" in child.type:
                names |= declared_names(child)
            elif "declaration" in child.type or child.type in (
                "class_specifier",
                "local_function_statement",
                "internal_module",
                "variable_name",
            ):
                names |= declared_names(child) or _names_in_declarator(child)
    elif node.type.endswith(("_declaration", "initializer", "assignment", "assignment_statement")) or (
        node.type == "function_definition"
    ):
        for child in node.named_children:
            if child.type in ("identifier", "variable_list", "signature", "call_expression", "typed_expression"):
                return _names_in_declarator(child)
    return frozenset(names)


def _names_in_declarator(node: Node) -> frozenset[str]:
    """Returns the names that a declarator node declares, such as the variables on the left side of an assignment."""
    if node.type in SCOPED_NODES:
        return frozenset()
    for field in NAME_FIELDS:
        children = node.children_by_field_name(field)
        if children:
            return frozenset().union(*(_names_in_declarator(child) for child in children))
    if node.type in ("tuple_pattern", "variable_list", "pattern_list", "left_assignment_list"):
        return frozenset().union(*(_names_in_declarator(child) for child in node.named_children))
    if node.named_children:
        return _names_in_declarator(node.named_children[0])
    name = node_text(node).lstrip("$%@&")
    return frozenset({name}) if IDENTIFIER.match(name) and name != "_" else frozenset()


def _names_in_elixir_definition(node: Node, keyword: str) -> frozenset[str]:
    if keyword not in ELIXIR_DEFINITIONS or len(node.named_children) < 2:
        return frozenset()
    head = node.named_children[1].named_children[:1]
    while head and head[0].named_children and head[0].type in ("binary_operator", "call"):
        head = head[0].named_children[:1]
    return frozenset({node_text(head[0])}) if head else frozenset()


def _names_in_racket_definition(node: Node) -> frozenset[str]:
    if node_text(node.named_children[0]) not in RACKET_DEFINITIONS or len(node.named_children) < 2:
        return frozenset()
    name = node.named_children[1]
    while name.type == "list" and name.named_children:
        name = name.named_children[0]
    return frozenset({node_text(name)})
