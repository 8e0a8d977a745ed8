"""Speed from completions: time is counted once however many requests share it, and nothing is made up."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.metrics.throughput import busy_seconds, conditions, cost_per_problem, percentiles, speed
from evalharness.metrics.tokenizing import CommonTokenizer
from evalharness.metrics.window import Span
from evalharness.records import Completion


def done(
    start: float, seconds: float | None, tokens: int | None = 10, first: float | None = None, number: int = 0
) -> Completion:
    return Completion(
        "t", number, "x" * 40, output_tokens=tokens, prompt_tokens=3, characters=40, started_at=start,
        total_s=seconds, first_output_s=first,
    )  # fmt: skip


def test_requests_at_the_same_time_count_their_time_once() -> None:
    found = speed([done(100.0, 2.0), done(101.0, 2.0), done(100.5, 0.5)])
    assert found["generation_s"] == pytest.approx(3.0)
    assert found["output_tokens_per_s"] == pytest.approx(30 / 3)
    assert found["output_tokens_per_s_per_request"] == pytest.approx(5.0)
    assert found["characters_per_s"] == pytest.approx(120 / 3)
    assert (found["output_tokens"], found["prompt_tokens"], found["requests"]) == (30, 9, 3)


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


def test_an_empty_answer_has_no_first_piece_and_takes_away_no_figure() -> None:
    """Endpoints count the end token of an empty answer, so that tokens do not tell."""
    empty = replace(done(1.0, 1.0, tokens=1), text="", characters=0)
    answered = streamed(0.0, 2.5, 160, first=0.5, first_tokens=32)
    found = speed([answered, empty])
    assert found["first_output_s"] == speed([answered])["first_output_s"]
    assert found["time_per_output_token_s"] == speed([answered])["time_per_output_token_s"]
    assert found["requests"] == 2
    assert found["output_tokens"] == 161


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


def streamed(
    start: float, seconds: float, tokens: int, first: float, first_tokens: int, number: int = 0, **more: Any
) -> Completion:
    return Completion(
        "t", number, "x" * tokens, output_tokens=tokens, characters=tokens, started_at=start, total_s=seconds,
        first_output_s=first, first_output_tokens=first_tokens, **more,
    )  # fmt: skip


def test_a_first_piece_of_many_tokens_does_not_make_the_others_slow_or_fast() -> None:
    """32 tokens at once, then 32 each half second: 64 tokens a second, whoever counts pieces."""
    found = speed([streamed(0.0, 2.5, 160, first=0.5, first_tokens=32)])
    assert found["time_per_output_token_s"]["p50"] == pytest.approx(1 / 64)


def test_one_unknown_first_piece_and_the_time_per_token_is_absent() -> None:
    known = streamed(0.0, 2.5, 160, first=0.5, first_tokens=32)
    assert "time_per_output_token_s" not in speed([known, replace(known, sample_id=1, first_output_tokens=None)])
    alone = replace(known, sample_id=1, output_tokens=32)
    assert speed([known, alone])["time_per_output_token_s"]["p99"] == pytest.approx(1 / 64)
    assert "time_per_output_token_s" not in speed([alone])


def test_the_steady_window_leaves_the_beginning_and_the_tail_out() -> None:
    """Two lanes of 10 tokens/s each from 1 s on; before and after, one of them."""
    rows = [streamed(0.0, 6.0, 60, 0.0, 0), streamed(1.0, 4.0, 40, 0.0, 0, 1), streamed(6.0, 10.0, 100, 0.0, 0, 2)]
    found = speed(rows, warmup=())["steady"]
    assert found == {"output_tokens_per_s": pytest.approx(20.0), "seconds": pytest.approx(4.0), "concurrency": 2}


def test_a_moment_of_higher_concurrency_is_no_level() -> None:
    rows = [streamed(float(number), 1.01, 10, 0.0, 0, number) for number in range(20)]
    assert speed(rows, warmup=())["steady"]["concurrency"] == 1


def test_output_counts_where_it_came_in_the_steady_window() -> None:
    """A piece of 32 tokens before the window is not in it, the even rest of the request is by its share."""
    rows = [streamed(0.0, 10.0, 132, first=1.0, first_tokens=32), streamed(5.5, 2.0, 20, 0.0, 0, 1)]
    found = speed(rows, warmup=())["steady"]
    assert found["concurrency"] == 2
    assert found["output_tokens_per_s"] == pytest.approx((100 * 2 / 9 + 20) / 2)


@pytest.mark.parametrize("size", [2, 8, 32])
def test_a_batch_that_ends_within_a_moment_ends_together(size: int) -> None:
    """Each row in one piece, at the end of its batch; their ends are noted 15 microseconds apart."""
    rows = []
    for number in range(4 * size):
        batch, late = number // size, 15e-6 * (number % size)
        rows.append(streamed(5.0 * batch, 5.0 + late, 16, first=5.0 + late, first_tokens=16, number=number))
    found = speed(rows, warmup=())["steady"]
    assert found["concurrency"] == size
    assert found["output_tokens_per_s"] == pytest.approx(16 * size / 5.0, rel=0.01)


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0.01, 20), st.integers(0, 500), st.floats(0, 1), st.floats(0, 1)),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_apportioned_output_adds_up(rows: list[tuple[float, float, int, float, float]]) -> None:
    spans = [Span(start, start + first * length, start + length, tokens, tokens * share)
             for start, length, tokens, first, share in rows]  # fmt: skip
    cuts = [-1.0, 7.0, 7.5, 30.0, 100.0]
    for each in spans:
        parts = [each.amount_within(low, high) for low, high in pairwise(cuts)]
        assert sum(parts) == pytest.approx(each.amount, abs=1e-6)


def test_the_first_requests_of_a_run_are_its_warm_up_where_they_are_few() -> None:
    rows = [done(0.0, 9.0, number=0), *(done(9.0 + number, 1.0, number=number) for number in range(1, 10))]
    found = speed(rows)
    assert (found["requests"], found["warmup_requests"]) == (9, 1)
    assert found["output_tokens_per_s"] == pytest.approx(10.0)
    assert speed(rows[:5])["warmup_requests"] == 0


def test_what_the_network_did() -> None:
    rows = [streamed(0.0, 2.0, 30, 0.5, 8, 0, forwards=10, prefill_s=0.5, batch=4),
            streamed(0.0, 3.0, 50, 0.5, 8, 1, forwards=30, prefill_s=0.5, batch=4)]  # fmt: skip
    found = speed(rows)
    assert (found["forwards"], found["batch"]) == (40, 4)
    assert found["tokens_per_forward"] == pytest.approx(2.0)
    assert found["prefill_share"] == pytest.approx(0.2)
    plain = speed([replace(rows[0], forwards=None, prefill_s=None, batch=None), rows[1]])
    assert not {"forwards", "tokens_per_forward", "prefill_share", "batch"} & set(plain)


def test_a_common_tokenizer_counts_the_text_itself() -> None:
    found = speed([done(0.0, 2.0)], CommonTokenizer("pairs", lambda text: len(text) // 2))
    assert (found["common_tokens"], found["tokenizer"]) == (20, "pairs")
    assert found["common_tokens_per_s"] == pytest.approx(10.0)
    assert "common_tokens" not in speed([done(0.0, 2.0)])


def test_the_interval_of_the_speed_takes_a_batch_for_one_piece_of_work() -> None:
    alone = [done(10.0 * number, 1.0 + number % 3, number=number) for number in range(12)]
    low, high = speed(alone, warmup=())["output_tokens_per_s_ci95"]
    assert low < 120 / sum(row.total_s or 0 for row in alone) < high
    batched = [replace(row, sample_id=row.sample_id + 100 * copy) for row in alone for copy in range(4)]
    assert np.diff(np.log(speed(batched, warmup=())["output_tokens_per_s_ci95"])) == pytest.approx(np.log(high / low))
    assert "output_tokens_per_s_ci95" not in speed(alone[:1])


def test_what_a_speed_holds_for() -> None:
    machine = {"processor": "Xeon", "cores": 2, "cpu_mhz": 2900.0, "accelerator_clocks": "1980 MHz"}
    assert conditions({"device": "cpu", "dtype": "float32", "batch_size": 4}, machine) == {
        "hardware": "Xeon", "cores": 2, "clocks": 2900.0, "dtype": "float32", "batch_size": 4,
    }  # fmt: skip
    cuda = conditions({"device": "cuda:0", "device_name": "H100"}, machine)
    assert cuda == {"hardware": "H100", "clocks": "1980 MHz"}
    remote = {"base_url": "http://x/v1", "concurrency": 8, "hardware": None}
    assert conditions(remote, machine) == {"endpoint": "http://x/v1", "concurrency": 8}
    assert conditions({**remote, "hardware": "8x H800"}, machine)["hardware"] == "8x H800"


def test_the_price_of_a_problem() -> None:
    rows = [done(0.0, 1.0), done(1.0, 1.0, number=1)]
    assert cost_per_problem(rows, price_in=2.0, price_out=10.0) == pytest.approx((6 * 2 + 20 * 10) / 1e6)
    assert cost_per_problem([replace(rows[0], prompt_tokens=None)], 1.0, 1.0) is None
