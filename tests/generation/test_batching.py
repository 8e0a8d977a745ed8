"""Batches of requests."""

import pytest

from evalharness.errors import UserError
from evalharness.generation.batching import check_batch_size, split_into_batches


def test_batches_are_taken_one_at_a_time() -> None:
    items = iter(range(5))
    result = split_into_batches(items, 2)
    assert next(result) == [0, 1]
    assert next(items) == 2
    assert list(result) == [[3, 4]]


def test_batch_size_below_one_is_a_user_error() -> None:
    check_batch_size(1)
    with pytest.raises(UserError, match="give --batch-size a number of at least 1"):
        check_batch_size(0)
