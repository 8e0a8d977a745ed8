"""Speed from completions: time that several requests share counts once, and unmeasured figures are absent."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.metrics.request_times import busy_seconds, cost_per_problem, percentiles
from evalharness.metrics.steady_window import RequestTimeline
from evalharness.metrics.throughput import compute_speed, speed_measurement_conditions
from evalharness.metrics.tokenizing import CommonTokenizer
from evalharness.records import Completion


def done(
    start: float, seconds: float | None, tokens: int | None = 10, first: float | None = None, number: int = 0
) -> Completion:
    return Completion(
        "t", number, "x" * 40, output_tokens=tokens, prompt_tokens=3, characters=40, started_at=start,
        total_s=seconds, first_output_s=first,
    )  # fmt: skip


def test_time_that_requests_share_counts_once() -> None:
    figures = compute_speed([done(100.0, 2.0), done(101.0, 2.0), done(100.5, 0.5)])
    assert figures["generation_s"] == pytest.approx(3.0)
    assert figures["output_tokens_per_s"] == pytest.approx(30 / 3)
    assert figures["output_tokens_per_s_per_request"] == pytest.approx(5.0)
    assert figures["characters_per_s"] == pytest.approx(120 / 3)
    assert (figures["output_tokens"], figures["prompt_tokens"], figures["requests"]) == (30, 9, 3)


def test_the_pause_before_a_run_is_resumed_does_not_count() -> None:
    figures = compute_speed([done(0.0, 1.0), done(86400.0, 1.0)])
    assert figures["output_tokens_per_s"] == pytest.approx(10.0)


def test_unmeasured_figures_are_absent() -> None:
    assert compute_speed([]) == {}
    assert compute_speed([Completion("t", 0, "x", output_tokens=5)]) == {}
    assert compute_speed([done(0.0, None)]) == {}
    no_count = compute_speed([done(0.0, 1.0, tokens=None), done(1.0, 1.0)])
    assert not [name for name in no_count if "output_tokens" in name]
    assert no_count["characters_per_s"] == pytest.approx(40.0)
    assert "first_output_s" not in compute_speed([done(0.0, 1.0, first=0.5), done(1.0, 1.0)])
    assert compute_speed([done(0.0, 1.0, first=0.5)])["first_output_s"]["p50"] == 0.5


def test_an_empty_completion_removes_no_figure() -> None:
    """Endpoints count the end token of an empty completion, so output_tokens may be 1."""
    empty = replace(done(1.0, 1.0, tokens=1), text="", characters=0)
    answered = streamed(0.0, 2.5, 160, first=0.5, first_tokens=32)
    figures = compute_speed([answered, empty])
    assert figures["first_output_s"] == compute_speed([answered])["first_output_s"]
    assert figures["time_per_output_token_s"] == compute_speed([answered])["time_per_output_token_s"]
    assert figures["requests"] == 2
    assert figures["output_tokens"] == 161


def test_no_tokens_give_rate_zero_and_no_time_gives_no_rate() -> None:
    assert compute_speed([done(0.0, 1.0, tokens=0)])["output_tokens_per_s"] == 0.0
    instant = compute_speed([done(0.0, 0.0)])
    assert "output_tokens_per_s" not in instant
    assert instant["output_tokens"] == 10


def test_failed_requests_do_not_count() -> None:
    failed = Completion("t", 1, "", started_at=0.0, total_s=50.0, error="gone")
    assert compute_speed([done(0.0, 1.0), failed])["generation_s"] == 1.0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=12))
def test_busy_time_is_the_union_of_the_spans(spans: list[tuple[int, int]]) -> None:
    seconds = {second for start, length in spans for second in range(start, start + length)}
    assert busy_seconds([(start, start + length) for start, length in spans]) == len(seconds)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_percentiles(values: list[float]) -> None:
    figures = percentiles(values)
    assert list(figures) == ["p50", "p90", "p99"]
    assert figures["p50"] == pytest.approx(float(np.median(values)))
    assert min(values) <= figures["p50"] <= figures["p90"] <= figures["p99"] <= max(values)


def streamed(
    start: float, seconds: float, tokens: int, first: float, first_tokens: int, number: int = 0, **more: Any
) -> Completion:
    return Completion(
        "t", number, "x" * tokens, output_tokens=tokens, characters=tokens, started_at=start, total_s=seconds,
        first_output_s=first, first_output_tokens=first_tokens, **more,
    )  # fmt: skip


def test_the_time_per_output_token_excludes_all_tokens_of_the_first_chunk() -> None:
    """32 tokens at once, then 32 each half second: 64 tokens per second, however large the chunks."""
    figures = compute_speed([streamed(0.0, 2.5, 160, first=0.5, first_tokens=32)])
    assert figures["time_per_output_token_s"]["p50"] == pytest.approx(1 / 64)


def test_a_first_chunk_of_unknown_size_removes_the_time_per_output_token() -> None:
    known = streamed(0.0, 2.5, 160, first=0.5, first_tokens=32)
    assert "time_per_output_token_s" not in compute_speed(
        [known, replace(known, sample_id=1, first_output_tokens=None)]
    )
    alone = replace(known, sample_id=1, output_tokens=32)
    assert compute_speed([known, alone])["time_per_output_token_s"]["p99"] == pytest.approx(1 / 64)
    assert "time_per_output_token_s" not in compute_speed([alone])


def test_the_steady_window_excludes_beginning_and_end() -> None:
    """Two requests at 10 tokens/s each from 1 s on; one before and after."""
    rows = [streamed(0.0, 6.0, 60, 0.0, 0), streamed(1.0, 4.0, 40, 0.0, 0, 1), streamed(6.0, 10.0, 100, 0.0, 0, 2)]
    figures = compute_speed(rows, warmup=())["steady"]
    assert figures == {"output_tokens_per_s": pytest.approx(20.0), "seconds": pytest.approx(4.0), "concurrency": 2}


def test_a_short_overlap_does_not_raise_the_concurrency() -> None:
    rows = [streamed(float(number), 1.01, 10, 0.0, 0, number) for number in range(20)]
    assert compute_speed(rows, warmup=())["steady"]["concurrency"] == 1


def test_only_output_within_the_steady_window_counts() -> None:
    """A chunk of 32 tokens before the window does not count; the rest of the request counts by its share of time."""
    rows = [streamed(0.0, 10.0, 132, first=1.0, first_tokens=32), streamed(5.5, 2.0, 20, 0.0, 0, 1)]
    figures = compute_speed(rows, warmup=())["steady"]
    assert figures["concurrency"] == 2
    assert figures["output_tokens_per_s"] == pytest.approx((100 * 2 / 9 + 20) / 2)


@pytest.mark.parametrize("size", [2, 8, 32])
def test_rows_of_a_batch_end_together(size: int) -> None:
    """Each row arrives in one chunk at the end of its batch; their ends are recorded 15 microseconds apart."""
    rows = []
    for number in range(4 * size):
        batch, late = number // size, 15e-6 * (number % size)
        rows.append(streamed(5.0 * batch, 5.0 + late, 16, first=5.0 + late, first_tokens=16, number=number))
    figures = compute_speed(rows, warmup=())["steady"]
    assert figures["concurrency"] == size
    assert figures["output_tokens_per_s"] == pytest.approx(16 * size / 5.0, rel=0.01)


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0.01, 20), st.integers(0, 500), st.floats(0, 1), st.floats(0, 1)),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_output_of_adjacent_windows_adds_up(rows: list[tuple[float, float, int, float, float]]) -> None:
    spans = [RequestTimeline(start, start + first * length, start + length, tokens, tokens * share)
             for start, length, tokens, first, share in rows]  # fmt: skip
    cuts = [-1.0, 7.0, 7.5, 30.0, 100.0]
    for span in spans:
        parts = [span.output_amount_between(low, high) for low, high in pairwise(cuts)]
        assert sum(parts) == pytest.approx(span.amount, abs=1e-6)


def test_the_first_requests_are_the_warmup_where_they_are_few() -> None:
    rows = [done(0.0, 9.0, number=0), *(done(9.0 + number, 1.0, number=number) for number in range(1, 10))]
    figures = compute_speed(rows)
    assert (figures["requests"], figures["warmup_requests"]) == (9, 1)
    assert figures["output_tokens_per_s"] == pytest.approx(10.0)
    assert compute_speed(rows[:5])["warmup_requests"] == 0


def test_figures_of_the_network() -> None:
    rows = [streamed(0.0, 2.0, 30, 0.5, 8, 0, forwards=10, prefill_s=0.5, batch=4),
            streamed(0.0, 3.0, 50, 0.5, 8, 1, forwards=30, prefill_s=0.5, batch=4)]  # fmt: skip
    figures = compute_speed(rows)
    assert (figures["forwards"], figures["batch"]) == (40, 4)
    assert figures["tokens_per_forward"] == pytest.approx(2.0)
    assert figures["prefill_share"] == pytest.approx(0.2)
    plain = compute_speed([replace(rows[0], forwards=None, prefill_s=None, batch=None), rows[1]])
    assert not {"forwards", "tokens_per_forward", "prefill_share", "batch"} & set(plain)


def test_a_common_tokenizer_counts_the_text() -> None:
    figures = compute_speed([done(0.0, 2.0)], CommonTokenizer("pairs", lambda text: len(text) // 2))
    assert (figures["common_tokens"], figures["tokenizer"]) == (20, "pairs")
    assert figures["common_tokens_per_s"] == pytest.approx(10.0)
    assert "common_tokens" not in compute_speed([done(0.0, 2.0)])


def test_a_batch_counts_once_in_the_interval_of_the_speed() -> None:
    alone = [done(10.0 * number, 1.0 + number % 3, number=number) for number in range(12)]
    low, high = compute_speed(alone, warmup=())["output_tokens_per_s_ci95"]
    assert low < 120 / sum(row.total_s or 0 for row in alone) < high
    batched = [replace(row, sample_id=row.sample_id + 100 * copy) for row in alone for copy in range(4)]
    assert np.diff(np.log(compute_speed(batched, warmup=())["output_tokens_per_s_ci95"])) == pytest.approx(
        np.log(high / low)
    )
    assert "output_tokens_per_s_ci95" not in compute_speed(alone[:1])


def test_measurement_conditions() -> None:
    machine = {"processor": "Xeon", "cores": 2, "cpu_mhz": 2900.0, "accelerator_clocks": "1980 MHz"}
    assert speed_measurement_conditions({"device": "cpu", "dtype": "float32", "batch_size": 4}, machine) == {
        "hardware": "Xeon", "cores": 2, "clocks": 2900.0, "dtype": "float32", "batch_size": 4,
    }  # fmt: skip
    cuda = speed_measurement_conditions({"device": "cuda:0", "device_name": "H100"}, machine)
    assert cuda == {"hardware": "H100", "clocks": "1980 MHz"}
    remote = {"base_url": "http://x/v1", "concurrency": 8, "hardware": None}
    assert speed_measurement_conditions(remote, machine) == {"endpoint": "http://x/v1", "concurrency": 8}
    assert speed_measurement_conditions({**remote, "hardware": "8x H800"}, machine)["hardware"] == "8x H800"


def test_cost_per_problem() -> None:
    rows = [done(0.0, 1.0), done(1.0, 1.0, number=1)]
    assert cost_per_problem(
        rows, price_per_million_prompt_tokens=2.0, price_per_million_output_tokens=10.0
    ) == pytest.approx((6 * 2 + 20 * 10) / 1e6)
    assert cost_per_problem([replace(rows[0], prompt_tokens=None)], 1.0, 1.0) is None
