"""Limits of pending samples, in total and per client, and what the refusals say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.grading_service.admission import AdmissionControl
from evalharness.util.http.refusals import RequestRefused


def test_submissions_beyond_the_total_limit_are_refused_with_a_retry_time() -> None:
    admission = AdmissionControl(10, 8, workers=2)
    with admission.admit("a", 8):
        with pytest.raises(RequestRefused) as refused, admission.admit("b", 3):
            pass
        assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
        with admission.admit("b", 2):
            assert admission.pending == 10
    assert admission.pending == 0


def test_submissions_beyond_a_clients_limit_are_refused_for_this_client_only() -> None:
    admission = AdmissionControl(10, 4, workers=2)
    with admission.admit("a", 3):
        words = "this client has 3 pending samples and submits 2 more, above the limit of 4 per client"
        with pytest.raises(RequestRefused, match=words) as refused, admission.admit("a", 2):
            pass
        assert refused.value.status == 429
        with admission.admit("b", 4):
            pass


def test_a_submission_above_the_limit_is_refused_without_a_retry_time() -> None:
    with (
        pytest.raises(RequestRefused, match="split it into smaller submissions") as refused,
        AdmissionControl(10, 4, 2).admit("a", 5),
    ):
        pass
    assert (refused.value.status, refused.value.retry_after_s) == (413, None)


def test_the_retry_time_grows_with_the_duration_of_samples() -> None:
    admission = AdmissionControl(100, 100, workers=2)
    for _ in range(200):
        admission.record_grading_time(4.0)
    with admission.admit("a", 20):
        assert 15 <= admission.retry_after_s <= 20
    with admission.admit("a", 100):
        assert admission.retry_after_s == 60


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12))))
def test_pending_samples_are_always_released(submissions: list[tuple[str, int]]) -> None:
    admission = AdmissionControl(20, 10, workers=1)

    def nest(rest: list[tuple[str, int]]) -> None:
        assert 0 <= admission.pending <= 20
        if rest:
            try:
                with admission.admit(*rest[0]):
                    nest(rest[1:])
            except RequestRefused:
                nest(rest[1:])

    nest(submissions)
    assert admission.pending == 0
