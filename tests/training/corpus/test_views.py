import itertools
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from evalharness.training.corpus.generated.function import ExampleCall
from evalharness.training.corpus.generated.stream import generate_functions
from evalharness.training.corpus.views import (
    MIDDLE,
    PREFIX,
    SUFFIX,
    make_completion_prompt_and_answer,
    make_infilling_document,
    make_training_documents,
    move_infilling_middle_into_place,
    sort_informative_calls_first,
)


@given(st.integers(0, 10**6))
def test_the_middle_of_an_infilling_document_restores_the_text(seed: int) -> None:
    before, body = "def f(xs):\n", "    total = 0\n    for x in xs:\n        total += x\n    return total\n"
    document = make_infilling_document(before, body, Random(seed), "t")
    prefix, rest = document.prompt.removeprefix(PREFIX).split(SUFFIX)
    suffix = rest.removesuffix(MIDDLE)
    assert prefix + document.answer + suffix == before + body
    assert document.answer
    assert move_infilling_middle_into_place(document.prompt + document.answer) == before + body


def test_nearly_half_of_the_documents_are_for_infilling() -> None:
    random = Random(0)
    kinds = [
        d.kind
        for f, cases in itertools.islice(generate_functions(2), 300)
        for d in make_training_documents(f, cases, random, infilling_probability=0.8)
    ]
    assert 0.38 < kinds.count("infilling") / len(kinds) < 0.5
    assert {"completion", "assertions", "instruction", "chat", "infilling"} == set(kinds)


def test_prompts_look_like_functions_to_complete() -> None:
    random = Random(0)
    for function, cases in itertools.islice(generate_functions(4), 50):
        prompt, body = make_completion_prompt_and_answer(function, cases, random)
        assert prompt.count("def ") == 1
        assert prompt.rstrip().endswith(('"""', "'''"))
        assert body.startswith("    ")
        assert body.endswith("\n")


def test_examples_with_distinct_values_come_first() -> None:
    cases = [ExampleCall(([],), []), ExampleCall(([1],), [1]), ExampleCall(([1],), [1]), ExampleCall(([2],), [2])]
    assert {repr(case.value) for case in sort_informative_calls_first(cases, Random(1))[:1]} <= {"[1]", "[2]"}
