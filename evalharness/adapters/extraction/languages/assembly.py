"""Assembles a program from imports, the prompt's beginning and the code of an answer (MultiPL-E languages)."""

import re
from collections.abc import Iterator, Sequence

from evalharness.adapters.extraction.languages.items import CodeItem, ParsedBlock
from evalharness.adapters.extraction.languages.selection import items_needed_by_function
from evalharness.adapters.extraction.languages.syntax import LanguageSyntax
from evalharness.adapters.extraction.languages.target import TestedFunction

JS_IMPORT = re.compile(
    r"""import\s+(?P<names>(?P<default>[\w$]+)?\s*,?\s*(?:\*\s*as\s+(?P<all>[\w$]+)|\{(?P<list>[^{}]*)\})?)\s*from\s*
    (?P<module>"[^"\n]*"|'[^'\n]*')\s*;?""",
    re.VERBOSE,
)
"""A JavaScript import: of the default export, the whole module, or a list of names."""
TS_IMPORT = re.compile(r"import\s+(?P<name>[\w$]+)\s*=\s*(?P<call>require\s*\([^()\n]*\))\s*;?")
"""A TypeScript import of a CommonJS module."""
REQUIRE_DECLARATION = "declare var require: any;"
"""The declaration that makes TypeScript accept calls of Node's `require`; a program may contain it repeatedly."""
GO_IMPORT = re.compile(r'(?:([\w.]+)[ \t]+)?("[^"\n]+"|`[^`\n]+`)')


def assemble_program(
    block: ParsedBlock, other_blocks: Sequence[Sequence[CodeItem]], prompt_head: str, target: TestedFunction
) -> str:
    """Returns the text of a program, without tests, that is made from the parsed code blocks of an answer.

    `block` is the block that defines the tested function. `other_blocks` has the code items of each other block; those
    that the function needs are included. The program begins with `prompt_head`, the prompt's text before the function;
    imports in the answer that are missing there are added.
    """
    syntax = target.syntax
    needed = items_needed_by_function(block.items, other_blocks, prompt_head, target)
    first = [item.text.strip() for item in needed if item.type in syntax.leading_nodes]
    imports = [item.text for item in needed if item.type in syntax.import_nodes]
    code = [item for item in needed if item.type not in (*syntax.leading_nodes, *syntax.import_nodes)]
    other_types = [item for item in code if not item.in_class and item.type in syntax.class_nodes]
    members = [item for item in code if item not in other_types]
    texts = [_text_without_export_keywords(item) for item in members]
    if syntax.grammar in ("javascript", "typescript"):
        used = frozenset[str]().union(*(item.tokens for item in members if item.type != "import_statement"))
        texts = [
            text if item.type != "import_statement" else convert_import_to_require(text, used)
            for item, text in zip(members, texts, strict=False)
        ]
        if syntax.grammar == "typescript" and any("require(" in text for text in texts):
            texts.insert(0, REQUIRE_DECLARATION)
    if syntax.class_nodes and block.class_name:
        texts = [re.sub(rf"\b{re.escape(block.class_name)}\b", "Problem", text) for text in texts]
    prompt_head = _add_missing_imports(prompt_head, imports, members, syntax)
    if other_types:
        opening = re.search(syntax.class_opening, prompt_head, re.MULTILINE)
        position = opening.start() if opening else 0
        types = "\n".join(re.sub(r"\A(\s*)public\s+", r"\1", item.text) for item in other_types)
        prompt_head = f"{prompt_head[:position]}{types}\n{prompt_head[position:]}"
    parts = [
        *first,
        prompt_head.rstrip("\n") if prompt_head.strip() else "",
        *texts,
        syntax.empty_function_head,
        syntax.module_end,
    ]
    return "\n".join(part for part in parts if part)


def _text_without_export_keywords(item: CodeItem) -> str:
    """Returns the text of a code item (such as a definition) without `export` and `export default`."""
    return re.sub(r"^([ \t]*)export\s+(?:default\s+)?(?=\S)", r"\1", item.text, flags=re.MULTILINE)


def convert_import_to_require(statement: str, used_tokens: frozenset[str]) -> str:
    """Returns the `require` calls that replace an `import` of JavaScript or TypeScript; "" if the import is not used.

    Programs with their tests run as scripts, which cannot contain `import`. `used_tokens` are the tokens of the
    program's other code: the import is used if one of the names that it defines is among them.
    """
    if (assigned := TS_IMPORT.fullmatch(statement.strip())) and assigned["name"] in used_tokens:
        return f"const {assigned['name']} = {assigned['call']};"
    match = JS_IMPORT.fullmatch(statement.strip())
    if match is None or not used_tokens & frozenset(re.findall(r"[\w$]+", match["names"])):
        return ""
    named = re.sub(r"(\w+)\s+as\s+(\w+)", r"\1: \2", match["list"] or "")
    lines = [f"const {{{named}}} = require({match['module']});"] if named.strip() else []
    names = [match["default"], match["all"]]
    return "\n".join([*(f"const {name} = require({match['module']});" for name in names if name), *lines])


def _add_missing_imports(
    prompt_head: str, imports: Sequence[str], code: Sequence[CodeItem], syntax: LanguageSyntax
) -> str:
    """Returns `prompt_head` (the prompt's text before the function) with the answer's imports that it lacks.

    In Go, only imports that `code` uses are added, because Go's compiler rejects unused imports.
    """
    known = {" ".join(line.split()) for line in prompt_head.splitlines()}
    if syntax.grammar != "go":
        new = [text for text in imports if " ".join(text.split()) not in known]
        return "".join(f"{text.strip()}\n" for text in new) + prompt_head
    used = frozenset[str]().union(*(item.tokens for item in code)) if code else frozenset[str]()
    lines = []
    for text in imports:
        for name, path in _names_and_paths_of_go_import(text):
            package = name or path.strip('"`').rpartition("/")[2]
            is_known = not name and path in known
            if not is_known and (package in used or name in ("_", ".")):
                lines.append(f"import {name} {path}" if name else f"import {path}")
    package_clause, _, rest = prompt_head.partition("\n")
    return "\n".join([package_clause, *dict.fromkeys(lines), rest]) if lines else prompt_head


def _names_and_paths_of_go_import(statement: str) -> Iterator[tuple[str, str]]:
    """Yields (name, quoted path) of each package in a Go import statement; the name is "" if the statement has none."""
    for match in GO_IMPORT.finditer(statement):
        name = "" if match[1] in (None, "import") else match[1]
        yield name, match[2]
