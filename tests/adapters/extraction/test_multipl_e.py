"""Chat answers in every language: code around the function does not collide with the tests."""

import re
from pathlib import Path
from typing import Any

import pytest

from evalharness.adapters.extraction.multipl_e import called_function, extract_function
from evalharness.adapters.extraction.multipl_e_languages import SYNTAX
from evalharness.data.files import read_records
from evalharness.records import Problem, Prompt
from evalharness.sandbox.languages import languages

CLOSING = {
    **dict.fromkeys(("cpp", "rs", "sh", "swift"), "\n}\n"),
    **dict.fromkeys(("java", "cs", "scala"), "\n    }\n}\n"),
}
"""The end of a function, which the tests contain and a model writes, too."""


def problem(prompt: str, language: str, tests: str = "candidate = add_up") -> Problem:
    record = {"prompt": prompt, "tests": tests, "language": language}
    return Problem("HumanEval_1_add_up", Prompt(text=""), record, None)


def hello(code: str) -> tuple[Problem, Any]:
    (language,) = [language for language in languages().values() if language.code == code]
    text = language.hello
    return problem(text.prompt, "go_test.go" if code == "go" else code, text.tests), text


def compact(text: str) -> str:
    """Returns the text without white space and comments."""
    lines = [line for line in text.splitlines() if not line.strip().startswith(("//", "#", "--", ";;", "///"))]
    return "".join("".join(lines).split())


def test_every_language_has_a_syntax() -> None:
    assert set(SYNTAX) == {language.code for language in languages().values()}


@pytest.mark.parametrize("code", sorted(set(SYNTAX) - {"d", "ml", "jl"}))  # their comments are not lines
def test_a_block_with_the_function_gives_the_same_program_as_its_body(code: str) -> None:
    given, texts = hello(code)
    block = texts.prompt + texts.right + CLOSING.get(code, "\n")
    answer = f"Here you are:\n\n```{code}\n{block}```\n\nIt adds.\n\n```\nexample\n```\n"
    assert compact(extract_function(given, answer)) == compact(texts.prompt + texts.right)


@pytest.mark.parametrize("code", sorted(SYNTAX))
def test_a_block_without_the_function_continues_the_prompt(code: str) -> None:
    given, texts = hello(code)
    body = texts.right + CLOSING.get(code, "").rstrip("}\n ") + ("\n}" if code in CLOSING else "")
    assert extract_function(given, f"```\n{body}\n```") == texts.prompt + texts.right


def test_helper_functions_come_first_and_a_main_program_is_removed() -> None:
    given = problem("#include<assert.h>\n#include<bits/stdc++.h>\n// Adds.\nlong add_up(long a, long b) {\n", "cpp")
    answer = (
        "```cpp\n#include <bits/stdc++.h>\n#include <map>\nusing namespace std;\nlong plus(long a, long b);\n"
        "long add_up(long a, long b) {\n    // not this }\n    return plus(a, b);\n}\n"
        "long plus(long a, long b) { return a + b; }\nint main() {\n    if (1) { return 0; }\n}\n```"
    )
    assert extract_function(given, answer) == (
        "#include <map>\nusing namespace std;\n#include<assert.h>\n#include<bits/stdc++.h>\n// Adds.\n"
        "long plus(long a, long b);\nlong plus(long a, long b) { return a + b; }\n"
        "long add_up(long a, long b) {\n    // not this }\n    return plus(a, b);"
    )


def test_a_class_around_the_function_is_removed() -> None:
    prompt = "import java.util.*;\nclass Problem {\n    // Adds.\n    public static long addUp(long a, long b) {\n"
    answer = (
        "```java\nimport java.util.*;\nimport java.util.function.*;\n\npublic class Solution {\n"
        "    static long one() { return 1; }\n"
        "    public static long addUp(long a, long b) {\n        return a + b;\n    }\n"
        "    public static void main(String[] args) {\n        System.out.println(addUp(1, 2));\n    }\n}\n```"
    )
    expected = (
        "import java.util.function.*; import java.util.*; class Problem { // Adds. static long one() { return 1; } "
        "public static long addUp(long a, long b) { return a + b;"
    )
    program = extract_function(problem(prompt, "java", "assert(addUp(1, 2) == 3);"), answer)
    assert " ".join(program.split()) == expected


def test_new_imports_of_go_follow_the_package_clause() -> None:
    prompt = (
        'package add_up_test\n\nimport (\n    "testing"\n    "fmt"\n)\n\n// Adds.\nfunc add_up(a int, b int) int {\n'
    )
    answer = (
        '```go\npackage main\n\nimport (\n\t"fmt"\n\t"math"\n)\n\n'
        "func add_up(a int, b int) int {\n\treturn a + b\n}\n\nfunc main() {\n\tfmt.Println(1)\n}\n```"
    )
    program = extract_function(problem(prompt, "go_test.go"), answer)
    assert program.startswith('package add_up_test\nimport "math"\n\nimport (\n    "testing"\n    "fmt"\n)\n')
    assert program.rstrip().endswith("func add_up(a int, b int) int {\n\treturn a + b\n}")
    assert program.count('"fmt"') == 1


def test_the_opening_tag_of_php_occurs_once() -> None:
    answer = "```php\n<?php\nfunction add_up($a, $b) {\n    return $a + $b;\n}\n?>\n```"
    program = extract_function(problem("<?php\n// Adds.\nfunction add_up($a, $b) {\n", "php"), answer)
    assert program == "<?php\n// Adds.\nfunction add_up($a, $b) {\n    return $a + $b;\n}"


def test_elixir_functions_are_put_into_the_prompts_module() -> None:
    prompt = "defmodule HumanEval do\n  def candidate(a, b), do: add_up(a, b)\n  def add_up(a, b) do\n    "
    for block in (
        "def add_up(a, b) do\n  a + b\nend\n",
        "defmodule HumanEval do\ndef add_up(a, b) do\n  a + b\nend\nend\n",
    ):
        program = extract_function(problem(prompt, "elixir", ""), f"```elixir\n{block}```")
        assert program.split() == (prompt.rsplit("def ", 1)[0] + "def add_up(a, b) do a + b end end").split()


def test_a_definition_in_a_comment_is_replaced() -> None:
    prompt = "using System;\nclass Problem {\n    // Adds.\n    //     public static long AddUp(long a, long b) {\n"
    answer = "```csharp\npublic static long AddUp(long a, long b) {\n    return a + b;\n}\n```"
    assert extract_function(problem(prompt, "cs", "Debug.Assert(AddUp(1, 2) == 3);"), answer) == (
        "using System;\nclass Problem {\n    // Adds.\npublic static long AddUp(long a, long b) {\n    return a + b;"
    )


def test_an_answer_without_a_code_block_is_code() -> None:
    given = problem("//Adds.\nfunction add_up(a, b){\n", "js")
    assert extract_function(given, "  return a + b;\n}") == "//Adds.\nfunction add_up(a, b){\n  return a + b;\n}"


@pytest.mark.data
@pytest.mark.parametrize("code", sorted(SYNTAX))
def test_every_prompt_of_the_data_defines_the_function_that_its_tests_call(code: str, datasets_dir: Path) -> None:
    paths = sorted((datasets_dir / "multipl_e").glob(f"*/*-{code}-reworded.json*"))
    assert paths
    for path in paths:
        for row in read_records(path):
            name = called_function(row["tests"], row["prompt"])
            in_a_comment = code == "cs" and path.parent.name == "2024-04" and path.name.startswith("humaneval")
            broken = code == "elixir" and path.name.startswith("mbpp")  # its tests call nothing that its prompts define
            pattern = r"[ \t]*//[ \t]*" if in_a_comment else "[ \t]*"
            pattern += SYNTAX[code].definition.replace("{name}", re.escape(name))
            assert broken or re.search(f"^{pattern}", row["prompt"], re.MULTILINE), (path, row["name"], name)
