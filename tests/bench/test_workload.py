"""Coding prompts are real code of the requested length, all different, and never random tokens."""

import ast

import pytest

from evalharness.bench.workload import (
    INSTRUCTION,
    fingerprint_prompts,
    make_coding_problems,
    make_requests,
    refuse_random_token_workload,
)
from evalharness.errors import UserError


def count_words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("tokens", [50, 1000])
def test_prompts_have_about_the_requested_length(tokens: int) -> None:
    sizes = [count_words(problem.prompt.text or "") for problem in make_coding_problems(20, tokens, count_words)]
    assert all(tokens <= size <= tokens + 40 for size in sizes)


def test_without_a_tokenizer_the_length_is_estimated_from_characters() -> None:
    [problem] = make_coding_problems(1, 1000)
    assert 3700 <= len(problem.prompt.text or "") <= 4100


def test_no_two_prompts_start_alike() -> None:
    texts = [
        (problem.prompt.text or "").removeprefix(INSTRUCTION) for problem in make_coding_problems(300, 30, count_words)
    ]
    assert len({text[:200] for text in texts}) == 300


def test_prompts_are_real_code() -> None:
    parsed = 0
    for problem in make_coding_problems(40, 300, count_words):
        lines = (problem.prompt.text or "").splitlines()
        for end in range(len(lines), len(lines) - 30, -1):  # the last statement is cut off
            try:
                ast.parse("\n".join(lines[:end]))
            except SyntaxError:
                continue
            parsed += 1
            break
    assert parsed >= 30


def test_prompts_are_the_same_every_time() -> None:
    assert fingerprint_prompts(make_coding_problems(5, 100, count_words)) == fingerprint_prompts(
        make_coding_problems(5, 100, count_words)
    )
    assert fingerprint_prompts(make_coding_problems(5, 100, count_words)) != fingerprint_prompts(
        make_coding_problems(5, 200, count_words)
    )


def test_more_prompts_than_the_code_has_are_refused() -> None:
    with pytest.raises(UserError, match=r"different coding prompts, but only .* exist; lower one of them"):
        make_coding_problems(10**6, 10, count_words)


def test_requests_start_again_after_the_last_problem() -> None:
    problems = make_coding_problems(3, 50, count_words)
    assert [request.key for request in make_requests(problems, 2, 3)] == [("code/2", 0), ("code/0", 1), ("code/1", 1)]


@pytest.mark.parametrize("name", ["random", "random-ids", "synthetic"])
def test_random_tokens_are_refused_as_a_workload(name: str) -> None:
    with pytest.raises(UserError, match="random tokens measure nothing"):
        refuse_random_token_workload(name)
    refuse_random_token_workload("humaneval")
    refuse_random_token_workload(None)
