"""Makes of a chat model's answer the program text that MultiPL-E's tests continue.

A model answers with a whole function, and often with more: imports that the prompt has already, helpers, a class
around it, a main program. The tests close the function themselves in some languages, and must find it last there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from evalharness.records import Problem

FENCE = re.compile(r"^[ \t]*```[^`\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
C_LIKE = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)\'|//[^\n]*|/\*.*?\*/|[{}]', re.DOTALL)
SHELL = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:^|(?<=\s))#[^\n]*|[{}]", re.MULTILINE)
CLASS = re.compile(r"^[ \t]*(?:(?:public|static|final|internal)\s+)*(?:class|object)\s+\w+[^{;]*\{", re.MULTILINE)


CALLED = re.compile(
    r"""candidate\s*(?::?=|<-)\s*(?:\\&|method\(:)?(?!\W)(\w+) | \(\s*candidate\s(\S+?)\)\)
    | \bcheck\((?!candidate\b)(\w+)\)
    | [aA]ssert\((?!candidate\b)(\w+)\( | \breturn\s(\w+)\(\.\.\.\$args | ^\s+(\w+)\s"\$@" | do:\s(\w+)\(""",
    re.MULTILINE | re.VERBOSE,
)
"""How tests name the function, in one language or another."""


@dataclass(frozen=True)
class Form:
    """How programs of a language are put together. Patterns name lines of an answer."""

    definition: str
    """Where the function `{name}` begins."""
    closed_by_tests: bool = False
    """Whether the tests begin with the function's closing brace."""
    in_class: bool = False
    """Whether prompt and tests put the function in a class."""
    imports: str = ""
    """Lines that belong before everything else, kept unless the prompt has them."""
    dropped: str = ""
    """Lines that the prompt has already."""
    main: str = ""
    """Where a main program begins that would stand in the way of the tests' own."""
    end: str = ""
    """What closes a module that the prompt has opened."""


FORMS: Mapping[str, Form] = {
    "cpp": Form(
        r"[\w:][\w:<>,&* ]*\b{name}\s*\(", True, imports=r"#include.*|using .*;", main=r"(?:int|void)\s+main\s*\("
    ),
    "rs": Form(r"(?:pub\s+)?fn\s+{name}\b", True, imports=r"use .*;", main=r"fn\s+main\s*\("),
    "sh": Form(r"(?:function\s+)?{name}\s*(?:\(\s*\))?\s*\{", True, dropped=r"#!.*"),
    "swift": Form(r"(?:public\s+)?func\s+{name}\b", True, imports=r"import .*"),
    "java": Form(
        r"(?:(?:public|private|static|final)\s+)*(?!return\b)[\w<>\[\](), .?]+\s+{name}\s*\(",
        True,
        True,
        imports=r"import .*;",
        dropped=r"package .*;",
        main=r"public\s+static\s+void\s+main\s*\(",
    ),
    "cs": Form(
        r"(?:(?:public|private|static|internal)\s+)*(?!return\b)[\w<>\[\](), .?]+\s+{name}\s*\(",
        True,
        True,
        imports=r"using [\w.]+;",
        main=r"(?:public\s+)?static\s+(?:void|int)\s+Main\s*\(",
    ),
    "scala": Form(r"def\s+{name}\b", True, True, imports=r"import .*", dropped=r"package .*", main=r"def\s+main\s*\("),
    "go": Form(
        r"func\s+{name}\b", imports=r'import\s+(?:\w+\s+)?"[^"]*"', dropped=r"package .*", main=r"func\s+main\s*\("
    ),
    "php": Form(r"function\s+{name}\b", dropped=r"<\?(?:php)?|\?>"),
    "js": Form(r"(?:(?:async\s+)?function\s+{name}\b|(?:const|let|var)\s+{name}\s*=)"),
    "ts": Form(r"(?:(?:async\s+)?function\s+{name}\b|(?:const|let|var)\s+{name}\b)"),
    "lua": Form(r"(?:local\s+)?function\s+{name}\b"),
    "rb": Form(r"def\s+{name}\b"),
    "pl": Form(r"sub\s+{name}\b"),
    "py": Form(r"(?:async\s+)?def\s+{name}\b"),
    "r": Form(r"{name}\s*(?:<-|=)\s*function\b"),
    "jl": Form(r"(?:function\s+{name}\b|{name}\s*\()"),
    "d": Form(r"[\w\[\]!(),.]+(?:\s+[\w\[\]!(),.]+)*\s+{name}\s*\(", imports=r"import .*;", main=r"void\s+main\s*\("),
    "rkt": Form(r"\(define\s+\(?{name}\b", dropped=r"#lang .*"),
    "hs": Form(r"{name}\s*::", imports=r"import .*", dropped=r"module .*"),
    "ml": Form(r"let\s+(?:rec\s+)?{name}\b"),
    "elixir": Form(r"def\s+{name}\b", end="end"),
}
"""By MultiPL-E's name of the language."""


def fenced_function(problem: Problem, text: str) -> str:
    """The program before the tests: prompt or its head, and the answer's function up to where the tests go on.

    Of several fenced blocks the first that defines the function counts. One that does not define it is taken for the
    function's body.
    """
    record = problem.record
    language = str(record["language"]).removesuffix("_test.go")
    form, name = FORMS[language], function_name(str(record["tests"]), str(record["prompt"]))
    definition = re.compile(rf"^[ \t]*{form.definition.replace('{name}', re.escape(name))}", re.MULTILINE)
    blocks: list[str] = FENCE.findall(text) or [text]
    code = next((block for block in blocks if definition.search(block)), None)
    if code is None:
        body = blocks[0].rstrip("\n")
        prompt = str(record["prompt"])
        return prompt + (_open_only(body, language) if form.closed_by_tests else body)
    head = _head(record["prompt"], name, definition)
    code, imports = _without_imports(code, form, head)
    if form.in_class:
        code = _inside_class(code, definition)
    if form.main:
        code = _without_main(code, form.main, language)
    if form.closed_by_tests:
        code = _function_last(code, definition, language)
    elif form.end:
        code = _module(code, head, form.end)
    return _with_imports(head, imports, language) + code


def function_name(tests: str, prompt: str) -> str:
    """The function that the tests call, or, where they leave that to the prompt, that it calls for them.

    The problem's name does not say: HumanEval_23_strlen is about string_length in C++.
    """
    found = CALLED.search(tests) or CALLED.search(prompt)
    return next(filter(None, found.groups())) if found else ""


def _head(prompt: str, name: str, definition: re.Pattern[str]) -> str:
    """The prompt before its definition of the function, or before the last line that names it (C# of 2024-04 has the
    definition in a comment)."""
    found = [each.start() for each in definition.finditer(prompt)]
    found = found or [
        prompt.rfind("\n", 0, each.start()) + 1 for each in re.finditer(rf"\b{re.escape(name)}\b", prompt)
    ]
    return prompt[: found[-1]] if found else ""


def _without_imports(code: str, form: Form, head: str) -> tuple[str, list[str]]:
    """The code without its imports and without what the prompt has already, and the imports that are new."""
    known = {line.strip().replace(" ", "") for line in head.splitlines()}
    kept, imports, group = [], [], False
    for line in code.splitlines():
        text = line.strip()
        if form.imports.startswith("import\\s+(?:") and (group or text == "import ("):  # Go's list of imports
            group = text != ")"
            imports += [f"import {text}"] if text.startswith('"') and text not in known else []
        elif form.imports and re.fullmatch(form.imports, text):
            new = text.replace(" ", "") not in known and text.removeprefix("import ") not in known
            imports += [text] if new else []
        elif not (form.dropped and re.fullmatch(form.dropped, text)):
            kept.append(line)
    return "\n".join(kept), imports


def _with_imports(head: str, imports: list[str], language: str) -> str:
    """The head with more imports: at its beginning, or in Go after its package."""
    if not imports:
        return head
    text = "".join(f"{line}\n" for line in imports)
    if language != "go":
        return text + head
    package, rest = head.split("\n", 1)
    return f"{package}\n{text}{rest}"


def _inside_class(code: str, definition: re.Pattern[str]) -> str:
    """What stands in the class around the function, if there is one."""
    function = definition.search(code)
    around = [each for each in CLASS.finditer(code) if function and each.end() <= function.start()]
    for each in around[:1]:
        end = _closing(code, each.end() - 1, C_LIKE)
        if function and end > function.start():
            return code[: each.start()] + code[each.end() : end] + code[end + 1 :]
    return code


def _without_main(code: str, main: str, language: str) -> str:
    """The code without its main program."""
    found = re.search(rf"^[ \t]*{main}", code, re.MULTILINE)
    opened = code.find("{", found.end()) if found else -1
    if not found or opened < 0:
        return code
    return code[: found.start()] + code[_closing(code, opened, _words(language)) + 1 :]


def _function_last(code: str, definition: re.Pattern[str], language: str) -> str:
    """The code with the function at its end and without the brace that closes it."""
    for found in definition.finditer(code):
        opened, semicolon = code.find("{", found.end() - 1), code.find(";", found.end() - 1)
        if opened < 0 or 0 <= semicolon < opened:
            continue  # a declaration
        end = _closing(code, opened, _words(language))
        others = [code[: found.start()].rstrip(), code[end + 1 :].strip("\n").rstrip()]
        return "\n".join([*filter(None, others), code[found.start() : end].rstrip()])
    return code.rstrip()


def _module(code: str, head: str, end: str) -> str:
    """Functions of a module that the head opens: without a module of their own, and closed."""
    opening = re.search(r"^[ \t]*defmodule\b[^\n]*\bdo[ \t]*\n", code, re.MULTILINE)
    if opening:
        code = code[: opening.start()] + code[opening.end() :]
        known = {line.strip() for line in head.splitlines()}
        return "\n".join(line for line in code.splitlines() if line.strip() not in known)
    return f"{code.rstrip()}\n{end}"


def _open_only(body: str, language: str) -> str:
    """A body without the brace that closes its function."""
    depth = 0
    for found in _words(language).finditer(body):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth < 0:
            return body[: found.start()].rstrip()
    return body


def _words(language: str) -> re.Pattern[str]:
    return SHELL if language == "sh" else C_LIKE


def _closing(code: str, opened: int, words: re.Pattern[str]) -> int:
    """The place of the brace that closes the one at `opened`; the end of the code if none does."""
    depth = 0
    for found in words.finditer(code, opened):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return found.start()
    return len(code)
