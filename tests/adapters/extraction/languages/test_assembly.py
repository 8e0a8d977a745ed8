"""The text of the program: head of the prompt, imports, helpers, and the code around the function."""

import re
from pathlib import Path

import pytest
from helpers.answer_forms import fenced
from helpers.function_answers import CODES, language_of, target_of

from evalharness.adapters.extraction.extracted import NOTHING_FOUND
from evalharness.adapters.extraction.languages.assembly import convert_import_to_require
from evalharness.adapters.extraction.languages.function_program import extract_function_program
from evalharness.adapters.extraction.languages.syntax import SYNTAX
from evalharness.adapters.extraction.languages.target import TestedFunction, name_of_tested_function
from evalharness.data.files import read_records


def program(answer: str, code: str, prompt: str, tests: str = "candidate = add_up") -> str:
    return extract_function_program(answer, TestedFunction(code, prompt, tests)).source


def test_helpers_stay_in_order_and_a_main_program_is_removed() -> None:
    head = "#include<assert.h>\n#include<bits/stdc++.h>\n// Adds.\n"
    code = (
        "#include <map>\nusing namespace std;\nlong plus(long a, long b);\n"
        "long add_up(long a, long b) {\n    // not this }\n    return plus(a, b);\n}\n"
        "long plus(long a, long b) { return a + b; }\n"
    )
    answer = fenced(f"#include <bits/stdc++.h>\n{code}int main() {{\n    if (1) {{ return 0; }}\n}}\n", "cpp")
    assert program(answer, "cpp", f"{head}long add_up(long a, long b) {{\n") == (
        f"{head}#include <bits/stdc++.h>\n{code}void end_of_answer() {{"
    )


def test_the_members_of_a_class_replace_it() -> None:
    head = "import java.util.*;\nclass Problem {\n    // Adds.\n"
    answer = fenced(
        "import java.util.*;\nimport java.util.function.*;\n\nclass Pair { long a; }\n\npublic class Solution {\n"
        "    static long one() { return 1; }\n"
        "    public static long addUp(long a, long b) {\n        return a + Solution.one() * b;\n    }\n"
        "    public static void main(String[] args) {\n        System.out.println(addUp(1, 2));\n    }\n}\n",
        "java",
    )
    prompt = f"{head}    public static long addUp(long a, long b) {{\n"
    assert program(answer, "java", prompt, "assert(addUp(1, 2) == 3);") == (
        "import java.util.function.*;\nimport java.util.*;\nclass Pair { long a; }\nclass Problem {\n    // Adds.\n"
        "    static long one() { return 1; }\n    public static long addUp(long a, long b) {\n"
        "        return a + Problem.one() * b;\n    }\n    static void endOfAnswer() {"
    )


def test_new_imports_of_go_follow_the_package_clause() -> None:
    prompt = (
        'package add_up_test\n\nimport (\n    "testing"\n    "fmt"\n)\n\n// Adds.\nfunc add_up(a int, b int) int {\n'
    )
    answer = fenced(
        'package main\n\nimport (\n\t"fmt"\n\t"math"\n\t"os"\n)\n\n'
        "func add_up(a int, b int) int {\n\treturn a + int(math.Abs(1)) + b\n}\n\n"
        "func main() {\n\tfmt.Println(1)\n\tos.Exit(0)\n}\n",
        "go",
    )
    text = program(answer, "go", prompt)
    assert text.startswith('package add_up_test\nimport "math"\n\nimport (\n    "testing"\n    "fmt"\n)\n')
    assert text.endswith("func add_up(a int, b int) int {\n\treturn a + int(math.Abs(1)) + b\n}")
    assert '"os"' not in text


def test_elixir_functions_are_put_into_the_prompts_module() -> None:
    prompt = "defmodule HumanEval do\n  def candidate(a, b), do: add_up(a, b)\n  def add_up(a, b) do\n    "
    for block in (
        "def add_up(a, b) do\n  a + b\nend\n",
        "defmodule HumanEval do\ndef add_up(a, b) do\n  a + b\nend\nend\n",
    ):
        text = program(fenced(block, "elixir"), "elixir", prompt, "")
        assert text.split() == (prompt.rsplit("def ", 1)[0] + "def add_up(a, b) do a + b end end").split()


def test_a_definition_in_a_comment_is_replaced() -> None:
    prompt = "using System;\nclass Problem {\n    // Adds.\n    //     public static long AddUp(long a, long b) {\n"
    answer = fenced("public static long AddUp(long a, long b) {\n    return a + b;\n}", "csharp")
    assert program(answer, "cs", prompt, "Debug.Assert(AddUp(1, 2) == 3);") == (
        "using System;\nclass Problem {\n    // Adds.\n"
        "public static long AddUp(long a, long b) {\n    return a + b;\n}\n"
        "    static void EndOfAnswer() {"
    )


def test_a_type_of_the_prompt_is_not_repeated() -> None:
    union = "union Value{\n    long f0;\n    float f1;\n};\n"
    text = program(
        fenced(f"{union}\nlong add_up(Value a) {{ return a.f0; }}", "cpp"), "cpp", f"{union}long add_up(Value a) {{\n"
    )
    assert text.count("union Value") == 1


def test_helpers_of_another_block_come_first() -> None:
    answer = fenced("const plus = (a, b) => a + b;\nconsole.log(plus(1, 2));", "js") + fenced(
        "function add_up(a, b) { return plus(a, b); }", "js"
    )
    assert program(answer, "js", "//Adds.\nfunction add_up(a, b){\n") == (
        "//Adds.\nconst plus = (a, b) => a + b;\nfunction add_up(a, b) { return plus(a, b); }"
    )


def test_the_last_definition_counts() -> None:
    answer = fenced("function add_up(a, b) { return a - b; }", "js") + "No:\n" + fenced(CODES["js"]["plain"], "js")
    assert "a - b" not in program(answer, "js", "//Adds.\nfunction add_up(a, b){\n")


@pytest.mark.parametrize("code", sorted(set(SYNTAX) - {"py"}))
def test_a_block_without_the_function_continues_the_prompt(code: str) -> None:
    hello = language_of(code)[1].hello
    closing = "\n}" if SYNTAX[code].empty_function_head else ""
    for answer in (fenced(hello.right + closing, code), hello.right + closing + "\n"):
        found = extract_function_program(answer, target_of(code))
        assert (found.source.rstrip(), found.location) == (
            f"{hello.prompt}{hello.right}".rstrip(),
            "body of the function",
        )


def test_an_empty_answer_says_so() -> None:
    assert extract_function_program("<think>cut", target_of("js")).location == NOTHING_FOUND


@pytest.mark.data
@pytest.mark.parametrize("code", sorted(SYNTAX))
def test_every_prompt_of_the_data_defines_the_function_that_its_tests_call(code: str, datasets_dir: Path) -> None:
    paths = sorted((datasets_dir / "multipl_e").glob(f"*/*-{code}-reworded.json*"))
    assert paths
    for path in paths:
        for row in read_records(path):
            name = name_of_tested_function(row["tests"], row["prompt"])
            in_a_comment = code == "cs" and path.parent.name == "2024-04" and path.name.startswith("humaneval")
            broken = code == "elixir" and path.name.startswith("mbpp")  # its tests call nothing that its prompts define
            pattern = r"[ \t]*//[ \t]*" if in_a_comment else "[ \t]*"
            pattern += SYNTAX[code].definition.replace("{name}", re.escape(name))
            assert broken or re.search(f"^{pattern}", row["prompt"], re.MULTILINE), (path, row["name"], name)


@pytest.mark.parametrize(
    ("text", "used", "required"),
    [
        ("import fs from 'fs';", {"fs"}, "const fs = require('fs');"),
        ("import * as fs from 'fs'", {"fs"}, "const fs = require('fs');"),
        ('import { a, b as c } from "m";', {"c"}, 'const { a, b: c } = require("m");'),
        ("import d, { a } from 'm';", {"a"}, "const d = require('m');\nconst { a } = require('m');"),
        ("import fs from 'fs';", {"x"}, ""),
        ("import 'style.css';", {"x"}, ""),
        ("import fs = require('fs');", {"fs"}, "const fs = require('fs');"),
        ("import fs = require('fs');", {"x"}, ""),
        ("import type { A } from './a';", {"x"}, ""),
    ],
)
def test_imports_of_javascript_and_typescript_become_require(text: str, used: set[str], required: str) -> None:
    assert convert_import_to_require(text, frozenset(used)) == required


def test_characters_outside_ascii_do_not_end_the_process() -> None:
    """The scanner of D's grammar crashes at them."""
    text = "long add_up(long a, long b) { /* \U000f4134\u009d \u2603 */ return a + b; }"
    strange = "\xae\U000d3134\u9d4f\u0086<\x90\n  return(a + b)\ndef add_up(a, b) do\n?\uf153\n&\U00023a73\U00030b2c\n"
    assert NOTHING_FOUND not in extract_function_program(strange, target_of("d")).location
    assert text in extract_function_program(fenced(text, "d"), target_of("d")).source


@pytest.mark.parametrize(
    ("code", "text", "kept"),
    [
        ("cpp", "#include <map>\n\nlong add_up(long a, long b) { return a + b; }\n", "#include <map>"),
        ("js", "const fs = require('fs');\n\nfunction add_up(a, b) { return a + b; }\n", "require('fs')"),
        ("rs", "use std::cmp::max;\n\nfn add_up(a: isize, b: isize) -> isize { max(a + b, a + b) }\n", "use std::cmp"),
        ("pl", "use List::Util;\n\nsub add_up { return $_[0] + $_[1]; }\n", "use List::Util"),
        ("java", "import java.util.function.*;\n\nstatic Pair addUp(long a, long b) { return null; }\n", "function.*"),
    ],
)
def test_imports_without_a_fence_stay(code: str, text: str, kept: str) -> None:
    for answer in (text, f"Here is the function:\n\n{text}\nIt's done, isn't it?\n"):
        found = extract_function_program(answer, target_of(code))
        assert (kept in found.source, found.location) == (True, "whole answer")


def test_helpers_keep_their_order() -> None:
    helpers = "const one = 1;\nconst two = one + one;\n"
    answer = fenced(helpers, "js") + fenced("function add_up(a, b) { return a + b + two - 2 * one; }", "js")
    assert program(answer, "js", "//Adds.\nfunction add_up(a, b){\n").startswith(f"//Adds.\n{helpers}function")


def test_a_function_that_the_grammar_does_not_understand_is_taken_as_it_is() -> None:
    code = "long add_up(long a, long b) {\n    return a @@@@ ((((b;\n}"
    assert code in extract_function_program(fenced(code, "cpp"), target_of("cpp")).source
