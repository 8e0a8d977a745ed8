"""Failures are grouped by what was said, the most frequent first, with the first problems of each."""

from hypothesis import given
from hypothesis import strategies as st

from evalharness.metrics.reasons import MOST_PROBLEMS, MOST_REASONS, format_failure_reason, group_failures_by_reason


def test_problems_are_named_by_reason() -> None:
    reasons = group_failures_by_reason(
        [("p/1", "slow"), ("p/2", "HTTP 500:\n no"), ("p/3", "HTTP 500: no"), ("p/3", "slow")]
    )
    assert [format_failure_reason(reason) for reason in reasons] == ["p/1, p/3: slow", "p/2, p/3: HTTP 500: no"]


def test_of_many_problems_the_first_are_named_whatever_failed_first() -> None:
    [reason] = group_failures_by_reason((f"p/{number}", "down") for number in reversed(range(MOST_PROBLEMS + 3)))
    assert reason["problems"] == [f"p/{number}" for number in range(MOST_PROBLEMS)]
    assert format_failure_reason(reason).endswith("p/9, ... (13 samples): down")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", "z " * 300]))))
def test_all_samples_are_counted_unless_reasons_are_left_out(failures: list[tuple[str, str]]) -> None:
    reasons = group_failures_by_reason(failures)
    assert sum(reason["samples"] for reason in reasons) == len(failures)
    assert len(reasons) <= MOST_REASONS
    assert [reason["samples"] for reason in reasons] == sorted((r["samples"] for r in reasons), reverse=True)
