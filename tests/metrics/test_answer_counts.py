"""How answers ended: each kind is counted, and none that is not known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.metrics.answer_counts import KINDS, count_answer_kinds, find_answer_defects
from evalharness.records import Completion


def answer(text: str = "x", **fields: Any) -> Completion:
    return Completion("t/0", 0, text, **fields)


@pytest.mark.parametrize(
    ("completion", "kinds"),
    [
        (answer(), []),
        (answer(finish_reason="length"), ["at_limit"]),
        (answer(""), ["empty"]),
        (answer(" \n"), ["empty"]),
        (answer("", finish_reason="length"), ["at_limit", "empty"]),
        (answer("", reasoning="hmm"), ["reasoning_only"]),
        (answer("", reasoning_tokens=7, finish_reason="length"), ["at_limit", "reasoning_only"]),
        (answer(reasoning="hmm", reasoning_tokens=7), []),
        (answer("", finish_reason="refused"), ["refused"]),
        (answer("half", finish_reason="content_filter"), ["refused"]),
        (answer("", finish_reason="length", output_tokens=0), ["refused"]),
        (answer("", finish_reason="error", refusal="HTTP 500"), ["unanswered"]),
        (answer("half", finish_reason="error"), []),
    ],
)
def test_kinds(completion: Completion, kinds: list[str]) -> None:
    assert find_answer_defects(completion, completion.text) == kinds


def test_reasoning_in_the_text_alone_is_no_answer() -> None:
    assert find_answer_defects(answer("<think>hmm"), "") == ["reasoning_only"]


def test_counts_rates_reasoning_and_the_reasons() -> None:
    answers = count_answer_kinds(
        [
            answer(finish_reason="length", reasoning="a", reasoning_tokens=5),
            answer("", finish_reason="refused", refusal="too long"),
            answer("", finish_reason="refused", refusal="later"),
            answer(reasoning="b", reasoning_tokens=6),
            answer("", error="down", finish_reason="error"),
            answer("", finish_reason="error", refusal="HTTP 500: no"),
        ],
        token_limit=8,
    )
    assert answers == {
        "answers": 5,
        "counts": {"at_limit": 1, "reasoning_only": 0, "empty": 0, "refused": 2, "unanswered": 1},
        "rates": {"at_limit": 0.2, "reasoning_only": 0.0, "empty": 0.0, "refused": 0.4, "unanswered": 0.2},
        "token_limit": 8,
        "with_reasoning": 2,
        "reasoning_tokens": 11,
        "reasons": {
            "refused": [
                {"reason": "too long", "samples": 1, "problems": ["t/0"]},
                {"reason": "later", "samples": 1, "problems": ["t/0"]},
            ],
            "unanswered": [{"reason": "HTTP 500: no", "samples": 1, "problems": ["t/0"]}],
        },
    }


def test_what_is_not_known_is_absent() -> None:
    assert count_answer_kinds([answer(error="down")]) is None
    answers = count_answer_kinds([answer(finish_reason="unknown", reasoning="a")])
    assert answers is not None
    assert "at_limit" not in answers["counts"]
    assert not answers.keys() & {"token_limit", "reasoning_tokens", "reasons"}


@given(
    st.lists(
        st.builds(
            answer,
            text=st.sampled_from(["", " ", "x"]),
            finish_reason=st.sampled_from(["stop", "length", "refused", "unknown", "error"]),
            reasoning=st.sampled_from([None, "", "hmm"]),
        ),
        min_size=1,
    )
)
def test_an_answer_without_text_is_of_one_kind_and_others_of_none(completions: list[Completion]) -> None:
    answers = count_answer_kinds(completions)
    assert answers is not None
    without_text = [row for row in completions if not row.text.strip() or row.finish_reason == "refused"]
    assert sum(answers["counts"].get(kind, 0) for kind in KINDS[1:]) == len(without_text)
    assert answers["counts"].get("at_limit", 0) == sum(row.finish_reason == "length" for row in completions)
