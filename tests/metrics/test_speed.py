"""Speed from completions: time is counted once however many requests share it, and nothing is made up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.metrics.speed import busy_seconds, percentiles, speed
from evalharness.records import Completion


def done(start: float, seconds: float | None, tokens: int | None = 10, first: float | None = None) -> Completion:
    return Completion(
        "t", 0, "x" * 40, output_tokens=tokens, prompt_tokens=3, characters=40, started_at=start,
        total_s=seconds, first_output_s=first,
    )  # fmt: skip


def test_requests_at_the_same_time_count_their_time_once() -> None:
    found = speed([done(100.0, 2.0), done(101.0, 2.0), done(100.5, 0.5)])
    assert found["generation_s"] == pytest.approx(3.0)
    assert found["output_tokens_per_s"] == pytest.approx(30 / 3)
    assert found["output_tokens_per_s_per_request"] == pytest.approx(5.0)
    assert found["characters_per_s"] == pytest.approx(120 / 3)
    assert (found["output_tokens"], found["prompt_tokens"], found["requests"]) == (30, 9, 3)


def test_tokens_per_forward_are_those_of_all_requests_or_absent() -> None:
    counted = [replace(done(0.0, 1.0), forwards=4), replace(done(1.0, 1.0, tokens=2), forwards=2)]
    found = speed(counted)
    assert (found["forwards"], found["output_tokens_per_forward"]) == (6, 2.0)
    assert "output_tokens_per_forward" not in speed([*counted, done(2.0, 1.0)])


def test_the_pause_before_a_run_was_resumed_does_not_count() -> None:
    found = speed([done(0.0, 1.0), done(86400.0, 1.0)])
    assert found["output_tokens_per_s"] == pytest.approx(10.0)


def test_what_was_not_measured_is_absent() -> None:
    assert speed([]) == {}
    assert speed([Completion("t", 0, "x", output_tokens=5)]) == {}
    assert speed([done(0.0, None)]) == {}
    no_count = speed([done(0.0, 1.0, tokens=None), done(1.0, 1.0)])
    assert not [name for name in no_count if "output_tokens" in name]
    assert no_count["characters_per_s"] == pytest.approx(40.0)
    assert "first_output_s" not in speed([done(0.0, 1.0, first=0.5), done(1.0, 1.0)])
    assert speed([done(0.0, 1.0, first=0.5)])["first_output_s"]["p50"] == 0.5


def test_no_tokens_are_zero_and_no_time_is_no_rate() -> None:
    assert speed([done(0.0, 1.0, tokens=0)])["output_tokens_per_s"] == 0.0
    instant = speed([done(0.0, 0.0)])
    assert "output_tokens_per_s" not in instant
    assert instant["output_tokens"] == 10


def test_failed_requests_do_not_count() -> None:
    failed = Completion("t", 1, "", started_at=0.0, total_s=50.0, error="gone")
    assert speed([done(0.0, 1.0), failed])["generation_s"] == 1.0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=12))
def test_busy_time_is_the_union_of_the_spans(spans: list[tuple[int, int]]) -> None:
    seconds = {second for start, length in spans for second in range(start, start + length)}
    assert busy_seconds([(start, start + length) for start, length in spans]) == len(seconds)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_percentiles(values: list[float]) -> None:
    found = percentiles(values)
    assert list(found) == ["p50", "p90", "p99"]
    assert found["p50"] == pytest.approx(float(np.median(values)))
    assert min(values) <= found["p50"] <= found["p90"] <= found["p99"] <= max(values)
