"""How many samples are taken, of all and of one client, and what those who are refused are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.grading_service.admission import Admission, Refused


def test_beyond_the_queue_all_are_refused_and_told_when_to_try_again() -> None:
    admission = Admission(10, 8, workers=2)
    with admission.admit("a", 8):
        with pytest.raises(Refused) as refused, admission.admit("b", 3):
            pass
        assert (refused.value.status, refused.value.retry_s) == (503, 1)
        with admission.admit("b", 2):
            assert admission.held == 10
    assert admission.held == 0


def test_beyond_its_share_a_client_is_refused_and_others_are_not() -> None:
    admission = Admission(10, 4, workers=2)
    with admission.admit("a", 3):
        with pytest.raises(Refused, match="3 samples of yours waiting, of 4") as refused, admission.admit("a", 2):
            pass
        assert refused.value.status == 429
        with admission.admit("b", 4):
            pass


def test_what_would_never_fit_is_refused_for_good() -> None:
    with pytest.raises(Refused, match="submit fewer at a time") as refused, Admission(10, 4, 2).admit("a", 5):
        pass
    assert (refused.value.status, refused.value.retry_s) == (413, None)


def test_the_slower_the_samples_the_later_one_tries_again() -> None:
    admission = Admission(100, 100, workers=2)
    for _ in range(200):
        admission.took(4.0)
    with admission.admit("a", 20):
        assert 15 <= admission.retry_s <= 20
    with admission.admit("a", 100):
        assert admission.retry_s == 60


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12))))
def test_places_are_given_back_whatever_happens(wanted: list[tuple[str, int]]) -> None:
    admission = Admission(20, 10, workers=1)

    def nest(rest: list[tuple[str, int]]) -> None:
        assert 0 <= admission.held <= 20
        if rest:
            try:
                with admission.admit(*rest[0]):
                    nest(rest[1:])
            except Refused:
                nest(rest[1:])

    nest(wanted)
    assert admission.held == 0
