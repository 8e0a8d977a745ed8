"""Refused prompts are settled alone once any prompt was answered, and stop a run where none is; failures on request."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from helpers.openai_calls import sample_requests
from hypothesis import given
from hypothesis import strategies as st

from evalharness.errors import UserError
from evalharness.pipeline.unanswered import MAX_INITIAL_REFUSALS, generate_unless_refused, is_unanswered
from evalharness.records import Completion, Request, Sampling


class Scripted:
    """Keeps `width` requests in flight and answers the oldest; the script tells how each of them ends."""

    name = "scripted"

    def __init__(self, script: str, width: int = 1):
        self.script, self.width, self.taken = script, width, 0

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        source, in_flight = iter(requests), list[Request]()
        while True:
            while len(in_flight) < self.width and (request := next(source, None)):
                in_flight.append(request)
                self.taken += 1
            if not in_flight:
                return
            request = in_flight.pop(0)
            end = self.script[request.sample_id]
            yield {
                "a": Completion(*request.key, "x"),
                "r": Completion(*request.key, "", finish_reason="refused", refusal=f"no {request.sample_id}"),
                "e": Completion(*request.key, "", finish_reason="error", error="down"),
                "n": Completion(*request.key, "", finish_reason="not_sent", error="not sent"),
            }[end]

    def describe(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        pass


def settled(script: str, width: int = 1, any_answered: bool = False) -> list[int]:
    backend = Scripted(script, width)
    completions = generate_unless_refused(backend, sample_requests(len(script)), Sampling(), any_answered)
    return sorted(completion.sample_id for completion in completions)


@pytest.mark.parametrize("script", ["ra", "ar", "rrrra", "aerr", "err" + "a" * 9, "rrrre" + "a"])
def test_refusals_are_settled_where_a_prompt_is_answered(script: str) -> None:
    assert settled(script) == list(range(len(script)))


@pytest.mark.parametrize("script", ["r", "rrr", "r" * 50, "rer"])
def test_a_run_with_no_answer_at_all_stops_with_what_the_endpoint_says(script: str) -> None:
    with pytest.raises(
        UserError, match=r"^the endpoint refused every prompt: no 0; change --model, a sampling setting or an --option$"
    ):
        settled(script)


def test_no_more_requests_are_sent_than_needed_to_see_it() -> None:
    backend = Scripted("r" * 50)
    with pytest.raises(UserError):
        list(generate_unless_refused(backend, sample_requests(50), Sampling()))
    assert backend.taken == MAX_INITIAL_REFUSALS


def test_requests_in_flight_are_waited_for() -> None:
    assert settled("r" * 7 + "a" + "r" * 40, width=8) == list(range(48))


def test_an_answer_of_an_earlier_stretch_counts() -> None:
    assert settled("rr", any_answered=True) == [0, 1]


@given(st.text("are", min_size=1, max_size=40), st.integers(1, 9), st.booleans())
def test_every_sample_is_settled_once_or_the_run_stops(script: str, width: int, any_answered: bool) -> None:
    try:
        samples = settled(script, width, any_answered)
    except UserError:
        assert not any_answered
        assert "a" not in script[:width]
        return
    assert samples == list(range(len(script)))


@pytest.mark.parametrize(
    ("script", "any_answered", "lost"),
    [
        ("aea", False, "e"),
        ("eea", False, "ee"),
        ("ae", False, "e"),
        ("e", True, "e"),
        ("re", True, "re"),
        ("eee", False, ""),
        ("aeeeeenn", False, ""),
        ("aeaeeeenn", False, "e"),
        ("eeeeenn", True, "eeeee"),
    ],
)
def test_failures_are_settled_where_the_backend_answers_others(script: str, any_answered: bool, lost: str) -> None:
    completions = list(
        generate_unless_refused(
            Scripted(script), sample_requests(len(script)), Sampling(), any_answered, settle_failures=True
        )
    )
    assert sorted(completion.sample_id for completion in completions) == list(range(len(script)))
    settled = [completion for completion in completions if is_unanswered(completion) and not completion.error]
    assert "".join(script[completion.sample_id] for completion in settled) == lost
    assert all(completion.refusal for completion in settled)
    assert sum(bool(completion.error) for completion in completions) == sum(script.count(end) for end in "en") - (
        lost.count("e")
    )


def test_without_request_failures_are_never_settled() -> None:
    completions = list(generate_unless_refused(Scripted("aea"), sample_requests(3), Sampling()))
    assert [completion.error for completion in completions] == ["", "down", ""]
