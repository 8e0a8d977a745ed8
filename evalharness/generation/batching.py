"""Splits requests into batches of a fixed size."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from evalharness.errors import UserError

Item = TypeVar("Item")


def check_batch_size(batch_size: int) -> None:
    """Raises UserError for a batch size below 1."""
    if batch_size < 1:
        raise UserError(f"batch size {batch_size} is below 1; give --batch-size a number of at least 1")


def split_into_batches(items: Iterable[Item], batch_size: int) -> Iterator[list[Item]]:
    """Yields successive lists of `batch_size` items; the last list may be shorter. Reads `items` lazily."""
    iterator = iter(items)
    while batch := list(islice(iterator, batch_size)):
        yield batch
