"""A set of keys is a set, whatever the ids."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.util.sample_key_set import MAX_BIT_SAMPLE_ID, SampleKeySet

KEYS = st.tuples(
    st.sampled_from(["a", "b/1", ""]), st.integers(-3, 40) | st.integers(MAX_BIT_SAMPLE_ID - 2, MAX_BIT_SAMPLE_ID + 2)
)


@given(st.lists(KEYS), KEYS)
def test_it_is_the_set_of_what_was_added(added: list[tuple[str, int]], other: tuple[str, int]) -> None:
    keys, plain = SampleKeySet(), set[tuple[str, int]]()
    for key in added:
        assert keys.add(key) == (key not in plain)
        plain.add(key)
    assert keys == plain
    assert len(keys) == len(plain)
    assert (other in keys) == (other in plain)
    assert sorted(keys) == sorted(plain)


def test_what_is_no_key_is_not_in_it() -> None:
    keys = SampleKeySet([("a", 0)])
    assert "a" not in keys
    assert ("a",) not in keys
    assert ("a", "0") not in keys


@pytest.mark.slow
def test_a_million_keys_take_little_memory() -> None:
    tracemalloc.start()
    try:
        keys = SampleKeySet((f"p/{number % 100}", number // 100) for number in range(1_000_000))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(keys) == 1_000_000
    assert taken < 2**20
