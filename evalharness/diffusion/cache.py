"""The KV cache of a batch, for autoregressive and for diffusion decoding."""

from collections.abc import Sequence

import torch

from evalharness.diffusion.config import ModelConfig


class KVCache:
    """The attention keys and values of a batch of rows (sequences), [layers, rows, kv_heads, capacity, head_dim] each.

    A slot holds the keys and values of one token. Before a forward pass, `set_write_slots` chooses each row's first
    slot; the pass writes its tokens to this slot and the next ones, over older tokens. To remove the last tokens of a
    row, write from an earlier slot.
    """

    def __init__(
        self, config: ModelConfig, rows: int, capacity: int, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        """Allocates a KV cache; `capacity` is the maximum number of token positions of a row, padding included."""
        shape = (config.layers, rows, config.kv_heads, capacity, config.head_dim)
        # Slots that the mask hides take part in sums with weight zero, and zero times NaN is NaN: start with zeros.
        self._keys = torch.zeros(shape, dtype=dtype, device=device)
        self._values = torch.zeros(shape, dtype=dtype, device=device)
        self._start, self._end = 0, 0
        self._indices: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def row_count(self) -> int:
        """The number of rows (sequences) of the batch."""
        return self._keys.shape[1]

    @property
    def capacity(self) -> int:
        """The number of slots per row; each holds the keys and values of one token."""
        return self._keys.shape[3]

    def layer_keys_and_values(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the keys and values of layer `layer` in all slots, [rows, kv_heads, capacity, head_dim] each."""
        return self._keys[layer], self._values[layer]

    def set_write_slots(self, first_slots: Sequence[int], tokens_per_row: int) -> None:
        """Sets where the next forward pass writes: `tokens_per_row` slots of each row i, from slot `first_slots[i]`."""
        self._start, self._end = min(first_slots), max(first_slots) + tokens_per_row
        assert self._end <= self.capacity
        if self._end - self._start == tokens_per_row:
            self._indices = None
        else:
            device = self._keys.device
            rows = torch.arange(len(first_slots), device=device)[:, None]
            slots = torch.tensor(first_slots, device=device)[:, None] + torch.arange(tokens_per_row, device=device)
            self._indices = rows, slots

    def update(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores a layer's new keys and values [rows, kv_heads, T, head_dim] at the slots set by `set_write_slots`.

        Returns the layer's keys and values in the slots up to the last written one, [rows, kv_heads, S, head_dim] each;
        S is the largest first slot plus T.
        """
        all_keys, all_values = self._keys[layer, :, :, : self._end], self._values[layer, :, :, : self._end]
        if self._indices is None:
            all_keys[:, :, self._start :] = keys
            all_values[:, :, self._start :] = values
        else:
            rows, slots = self._indices
            all_keys[rows, :, slots] = keys.transpose(1, 2)
            all_values[rows, :, slots] = values.transpose(1, 2)
        return all_keys, all_values

    def keep_rows(self, row_numbers: Sequence[int]) -> None:
        """Keeps only the rows with these numbers (from 0), in this order; removes the other rows of the batch."""
        if list(row_numbers) != list(range(self.row_count)):
            index = torch.tensor(row_numbers, device=self._keys.device)
            self._keys, self._values = self._keys[:, index], self._values[:, index]
