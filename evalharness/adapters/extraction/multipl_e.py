"""Extracts a function from a chat model's answer, as the program text that MultiPL-E's tests follow.

An answer contains a whole function and often more: imports that the prompt has already, helper functions, a class
around them, a main program. In some languages the tests begin with the function's closing brace, so that the function
must come last and stay open.
"""

import re

from evalharness.adapters.extraction.code_blocks import clean, code_blocks
from evalharness.adapters.extraction.multipl_e_languages import SYNTAX, FunctionSyntax
from evalharness.adapters.extraction.reasoning import without_reasoning
from evalharness.records import Problem

C_LIKE_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)\'|//[^\n]*|/\*.*?\*/|[{}]', re.DOTALL)
"""A string, character, comment or brace of a language with C's syntax."""
SHELL_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:^|(?<=\s))#[^\n]*|[{}]", re.MULTILINE)
"""A string, comment or brace of a shell script."""
CLASS = re.compile(r"^[ \t]*(?:(?:public|static|final|internal)\s+)*(?:class|object)\s+\w+[^{;]*\{", re.MULTILINE)
"""The start of a class, up to its opening brace."""
TESTED_FUNCTION = re.compile(
    r"""candidate\s*(?::?=|<-)\s*(?:\\&|method\(:)?(?!\W)(\w+) | \(\s*candidate\s(\S+?)\)\)
    | \bcheck\((?!candidate\b)(\w+)\)
    | [aA]ssert\((?!candidate\b)(\w+)\( | \breturn\s(\w+)\(\.\.\.\$args | ^\s+(\w+)\s"\$@" | do:\s(\w+)\(""",
    re.MULTILINE | re.VERBOSE,
)
"""The ways in which the tests, or the prompt for them, name the tested function, over all languages."""


def extract_function(problem: Problem, text: str) -> str:
    """Returns the program text that the problem's tests follow.

    It is the first code block that defines the tested function, after the part of the prompt before its definition. A
    block that does not define the function is treated as its body and continues the prompt.
    """
    record = problem.record
    language = str(record["language"]).removesuffix("_test.go")
    syntax, name = SYNTAX[language], called_function(str(record["tests"]), str(record["prompt"]))
    definition = re.compile(rf"^[ \t]*{syntax.definition.replace('{name}', re.escape(name))}", re.MULTILINE)
    text = clean(without_reasoning(text))
    blocks = [block.text for block in code_blocks(text)] or [text]
    code = next((block for block in blocks if definition.search(block)), None)
    if code is None:
        body = blocks[0].rstrip("\n")
        prompt = str(record["prompt"])
        return prompt + (_without_closing_brace(body, language) if syntax.closed_by_tests else body)
    head = _before_definition(record["prompt"], name, definition)
    code, imports = _separate_imports(code, syntax, head)
    if syntax.in_class:
        code = _without_class(code, definition)
    if syntax.main:
        code = _without_main(code, syntax.main, language)
    if syntax.closed_by_tests:
        code = _function_last(code, definition, language)
    elif syntax.end:
        code = _in_module(code, head, syntax.end)
    return _with_imports(head, imports, language) + code


def called_function(tests: str, prompt: str) -> str:
    """Returns the name of the function that the tests call, directly or through a function of the prompt.

    The problem's name does not tell it: HumanEval_23_strlen is about string_length in C++.
    """
    match = TESTED_FUNCTION.search(tests) or TESTED_FUNCTION.search(prompt)
    return next(filter(None, match.groups())) if match else ""


def _before_definition(prompt: str, name: str, definition: re.Pattern[str]) -> str:
    """Returns the prompt before the last definition of the function.

    Without a definition, it ends before the last line that has the name: C# of 2024-04 has the definition in a comment.
    """
    starts = [match.start() for match in definition.finditer(prompt)]
    starts = starts or [
        prompt.rfind("\n", 0, match.start()) + 1 for match in re.finditer(rf"\b{re.escape(name)}\b", prompt)
    ]
    return prompt[: starts[-1]] if starts else ""


def _separate_imports(code: str, syntax: FunctionSyntax, head: str) -> tuple[str, list[str]]:
    """Returns the code without imports and without lines that the prompt has, and the imports that the prompt lacks."""
    known = {line.strip().replace(" ", "") for line in head.splitlines()}
    kept, imports, in_import_list = [], [], False
    for line in code.splitlines():
        text = line.strip()
        # Go's list of imports.
        if syntax.imports.startswith("import\\s+(?:") and (in_import_list or text == "import ("):
            in_import_list = text != ")"
            imports += [f"import {text}"] if text.startswith('"') and text not in known else []
        elif syntax.imports and re.fullmatch(syntax.imports, text):
            is_new = text.replace(" ", "") not in known and text.removeprefix("import ") not in known
            imports += [text] if is_new else []
        elif not (syntax.dropped and re.fullmatch(syntax.dropped, text)):
            kept.append(line)
    return "\n".join(kept), imports


def _with_imports(head: str, imports: list[str], language: str) -> str:
    """Returns the head with more imports at its beginning; in Go, after the package clause."""
    if not imports:
        return head
    text = "".join(f"{line}\n" for line in imports)
    if language != "go":
        return text + head
    package, rest = head.split("\n", 1)
    return f"{package}\n{text}{rest}"


def _without_class(code: str, definition: re.Pattern[str]) -> str:
    """Returns the code with the body of the class around the function in place of the class."""
    function = definition.search(code)
    classes = [match for match in CLASS.finditer(code) if function and match.end() <= function.start()]
    for outer in classes[:1]:
        end = _closing_brace(code, outer.end() - 1, C_LIKE_TOKEN)
        if function and end > function.start():
            return code[: outer.start()] + code[outer.end() : end] + code[end + 1 :]
    return code


def _without_main(code: str, main: str, language: str) -> str:
    """Returns the code without its main program."""
    match = re.search(rf"^[ \t]*{main}", code, re.MULTILINE)
    opening = code.find("{", match.end()) if match else -1
    if not match or opening < 0:
        return code
    return code[: match.start()] + code[_closing_brace(code, opening, _tokens(language)) + 1 :]


def _function_last(code: str, definition: re.Pattern[str], language: str) -> str:
    """Returns the code with the function at its end, without the function's closing brace."""
    for match in definition.finditer(code):
        opening, semicolon = code.find("{", match.end() - 1), code.find(";", match.end() - 1)
        if opening < 0 or 0 <= semicolon < opening:
            continue  # A declaration.
        end = _closing_brace(code, opening, _tokens(language))
        others = [code[: match.start()].rstrip(), code[end + 1 :].strip("\n").rstrip()]
        return "\n".join([*filter(None, others), code[match.start() : end].rstrip()])
    return code.rstrip()


def _in_module(code: str, head: str, end: str) -> str:
    """Returns functions for the module that the head opens: without a module around them, and with the module's end."""
    opening = re.search(r"^[ \t]*defmodule\b[^\n]*\bdo[ \t]*\n", code, re.MULTILINE)
    if opening:
        code = code[: opening.start()] + code[opening.end() :]
        known = {line.strip() for line in head.splitlines()}
        return "\n".join(line for line in code.splitlines() if line.strip() not in known)
    return f"{code.rstrip()}\n{end}"


def _without_closing_brace(body: str, language: str) -> str:
    """Returns a function's body up to the brace that closes the function."""
    depth = 0
    for token in _tokens(language).finditer(body):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth < 0:
            return body[: token.start()].rstrip()
    return body


def _tokens(language: str) -> re.Pattern[str]:
    return SHELL_TOKEN if language == "sh" else C_LIKE_TOKEN


def _closing_brace(code: str, opening: int, tokens: re.Pattern[str]) -> int:
    """Returns the index of the brace that closes the one at `opening`; the length of the code if none does."""
    depth = 0
    for token in tokens.finditer(code, opening):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.start()
    return len(code)
