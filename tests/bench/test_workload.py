"""What a bench asks is real text of the length wanted, each time another, and never random tokens."""

import ast

import pytest

from evalharness.bench.workload import HEAD, code_problems, fingerprint, refuse_random, requests_of
from evalharness.errors import UserError


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("tokens", [50, 1000])
def test_prompts_have_about_the_length_that_was_asked_for(tokens: int) -> None:
    sizes = [words(problem.prompt.text or "") for problem in code_problems(20, tokens, words)]
    assert all(tokens <= size <= tokens + 40 for size in sizes)


def test_without_a_tokenizer_characters_stand_for_tokens() -> None:
    [problem] = code_problems(1, 1000)
    assert 3700 <= len(problem.prompt.text or "") <= 4100


def test_every_prompt_is_another_from_its_first_line_on() -> None:
    texts = [(problem.prompt.text or "").removeprefix(HEAD) for problem in code_problems(300, 30, words)]
    assert len({text[:200] for text in texts}) == 300


def test_prompts_are_real_code() -> None:
    parsed = 0
    for problem in code_problems(40, 300, words):
        lines = (problem.prompt.text or "").splitlines()
        for end in range(len(lines), len(lines) - 30, -1):  # the last statement is cut off
            try:
                ast.parse("\n".join(lines[:end]))
            except SyntaxError:
                continue
            parsed += 1
            break
    assert parsed >= 30


def test_the_same_every_time() -> None:
    assert fingerprint(code_problems(5, 100, words)) == fingerprint(code_problems(5, 100, words))
    assert fingerprint(code_problems(5, 100, words)) != fingerprint(code_problems(5, 200, words))


def test_more_prompts_than_there_is_code() -> None:
    with pytest.raises(UserError, match="ask for fewer requests"):
        code_problems(10**6, 10, words)


def test_requests_go_round() -> None:
    problems = code_problems(3, 50, words)
    assert [request.key for request in requests_of(problems, 2, 3)] == [("code/2", 0), ("code/0", 1), ("code/1", 1)]


@pytest.mark.parametrize("name", ["random", "random-ids", "synthetic"])
def test_random_tokens_are_no_workload(name: str) -> None:
    with pytest.raises(UserError, match="random tokens measure nothing"):
        refuse_random(name)
    refuse_random("humaneval")
    refuse_random(None)
