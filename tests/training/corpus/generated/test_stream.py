import itertools
from random import Random

import pytest

from evalharness.training.corpus.generated import pipeline
from evalharness.training.corpus.generated.function import ExampleCall, Function, Parameter, indent, make_example_calls
from evalharness.training.corpus.generated.placeholders import fill_placeholders, negate_condition
from evalharness.training.corpus.generated.stream import generate_functions, list_templates_repeated_by_weight
from evalharness.training.corpus.views import (
    format_example_call,
    make_assert_statements,
    make_completion_prompt_and_answer,
    make_training_documents,
)


def run(source: str) -> dict[str, object]:
    space: dict[str, object] = {}
    exec(source, space)
    return space


def test_every_generated_function_passes_its_own_tests_in_every_view() -> None:
    random = Random(3)
    for function, cases in itertools.islice(generate_functions(5), 300):
        prompt, body = make_completion_prompt_and_answer(function, cases, random)
        run(prompt + body + "\n" + "\n".join(make_assert_statements(function, cases)))
        for document in make_training_documents(function, cases, random, infilling_probability=1.0):
            if document.kind in ("instruction", "assertions"):
                run(document.answer.removesuffix("[DONE]") + "\n" + "\n".join(make_assert_statements(function, cases)))


def test_alternative_bodies_agree() -> None:
    """The generator rejects a function whose two bodies differ, so a mistake in a table would only show up as a
    loss."""
    random = Random(11)
    made = kept = 0
    while made < 400:
        try:
            function = pipeline.make_function(random)
        except LookupError:
            continue
        made += 1
        if function.alternative:
            bodies = [
                function.import_lines() + function.signature() + "\n" + indent(b)
                for b in (function.body, function.alternative)
            ]
            first, second = (run(source)[function.name] for source in bodies)
            for _ in range(5):
                arguments = [param.sample(random) for param in function.params]
                try:
                    wanted = first(*arguments)  # type: ignore[operator]
                except (ArithmeticError, LookupError, ValueError):
                    continue
                assert second(*arguments) == wanted, (function.body, function.alternative, arguments)  # type: ignore[operator]
        kept += bool(make_example_calls(function, random))
    assert kept > 300


@pytest.mark.parametrize("number", range(len(list_templates_repeated_by_weight())))
def test_every_template_makes_functions(number: int) -> None:
    random = Random(number)
    family, template = list_templates_repeated_by_weight()[number]
    kept = [make_example_calls(template.make_function(random, family), random) for _ in range(30)]
    assert sum(map(bool, kept)) >= 8


def test_functions_are_distinct_and_determined_by_the_seed() -> None:
    first = [function for function, _ in itertools.islice(generate_functions(1), 200)]
    second = [function for function, _ in itertools.islice(generate_functions(1), 200)]
    assert [f.body for f in first] == [f.body for f in second]
    assert len({(f.signature(), f.text, f.body) for f in first}) == 200


def test_wrong_and_constant_functions_are_rejected() -> None:
    number = Parameter("n", "int", lambda random: random.randint(0, 99))
    assert not make_example_calls(Function("t", "f", (number,), "int", "", "return 3"), Random(0))
    assert not make_example_calls(Function("t", "f", (number,), "int", "", "return 1 // 0"), Random(0))
    assert not make_example_calls(
        Function("t", "f", (number,), "int", "", "return n + 1", alternative="return n + 2"), Random(0)
    )
    assert make_example_calls(
        Function("t", "f", (number,), "int", "", "return n + 1", alternative="return 1 + n"), Random(0)
    )


def test_functions_that_change_their_arguments_are_rejected() -> None:
    items = Parameter("xs", "List[int]", lambda random: [random.randint(0, 9), random.randint(0, 9)])
    assert not make_example_calls(Function("t", "f", (items,), "int", "", "xs.append(1)\nreturn sum(xs)"), Random(0))


def test_signatures_and_imports() -> None:
    items = Parameter("xs", "List[int]", lambda random: [])
    function = Function("t", "f", (items,), "Dict[str, int]", "", "return {}", ("import math",))
    assert function.signature() == "def f(xs: List[int]) -> Dict[str, int]:"
    assert function.signature(typed=False) == "def f(xs):"
    assert function.import_lines() == "from typing import Dict, List\nimport math\n"
    assert function.import_lines(typed=False) == "import math\n"
    assert format_example_call(function, ExampleCall(([1], "a"), 0)) == "f([1], 'a')"


def test_negated_conditions_are_idiomatic() -> None:
    assert negate_condition("x % 2 == 0") == "x % 2 != 0"
    assert negate_condition("c not in 'aeiou'") == "c in 'aeiou'"
    assert negate_condition("not c.isdigit()") == "c.isdigit()"
    assert negate_condition("x > 0 and x % 2 == 0") == "not (x > 0 and x % 2 == 0)"
    assert negate_condition("w.isupper()") == "not w.isupper()"


def test_templates_keep_unknown_names_and_doubled_braces() -> None:
    assert fill_placeholders("f'{{{x}}}' + {other}", {"x": "key"}) == "f'{key}' + {other}"
