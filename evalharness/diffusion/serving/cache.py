"""A KV cache for continuous batching: rows join and leave, and the capacity grows with their text."""

import copy

import torch

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig

CAPACITY_STEP = 256
"""The cache's capacity is a multiple of this."""


class GrowingCache(KVCache):
    """A KV cache for continuous batching: rows (sequences) are added and removed, and the capacity grows.

    Row n of a forward pass uses row n of the cache. To remove a row, copy the last row over it and drop the last row.
    """

    def __init__(self, config: ModelConfig, dtype: torch.dtype, device: torch.device | str) -> None:
        super().__init__(config, 0, 0, dtype, device)
        self._key_storage, self._value_storage = self._keys, self._values

    def add_row(self) -> int:
        """Adds an empty row to the KV cache, after the other rows; returns the new row's number."""
        number = self.row_count
        if number == self._key_storage.shape[1]:
            self._resize_storage(2 * number or 1, self.capacity)
        self._set_row_count(number + 1)
        return number

    def copy_row(self, source: int, target: int) -> None:
        """Copies row `source` of the KV cache over row `target`."""
        for storage in (self._key_storage, self._value_storage):
            storage[:, target].copy_(storage[:, source])

    def drop_last_row(self) -> None:
        """Removes the KV cache's last row. An empty cache frees its storage."""
        if self.row_count == 1:
            self._key_storage = self._key_storage[:, :0, :, :0].clone()
            self._value_storage = self._value_storage[:, :0, :, :0].clone()
        self._set_row_count(self.row_count - 1)

    def reserve_positions(self, position_count: int) -> None:
        """Increases the capacity, if needed, to at least this number of token positions per row."""
        if position_count > self.capacity:
            needed = max(position_count, self.capacity * 5 // 4)
            self._resize_storage(self._key_storage.shape[1], -(-needed // CAPACITY_STEP) * CAPACITY_STEP)

    def view_rows(self, first: int, end: int) -> KVCache:
        """Returns a KV cache with the rows [first, end) of this one, in the same memory.

        The returned cache must not be used after a change of the number of rows or of the capacity.
        """
        view = copy.copy(self)
        view._keys, view._values = self._keys[:, first:end], self._values[:, first:end]
        return view

    def _resize_storage(self, row_count: int, capacity: int) -> None:
        used = self.row_count
        for name in ("_key_storage", "_value_storage"):
            old = getattr(self, name)
            layers, old_rows, heads, old_capacity, size = old.shape
            new = old.new_zeros(layers, row_count, heads, capacity, size)
            new[:, :old_rows, :, :old_capacity] = old
            setattr(self, name, new)
        self._set_row_count(used)

    def _set_row_count(self, row_count: int) -> None:
        self._keys, self._values = self._key_storage[:, :row_count], self._value_storage[:, :row_count]
