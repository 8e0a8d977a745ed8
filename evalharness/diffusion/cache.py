"""The KV cache of a batch, for autoregressive and for diffusion decoding."""

from collections.abc import Sequence

import torch

from evalharness.diffusion.config import ModelConfig


class KVCache:
    """Keys and values [layers, rows, kv_heads, capacity, head_dim] of a batch of rows (sequences).

    A forward pass writes the keys and values of its tokens to consecutive slots, which begin at the slot that `seek`
    was given for each row, and overwrites older ones. So `seek` to an earlier slot to remove the end of a row's text.
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
    def rows(self) -> int:
        """The number of rows of the batch."""
        return self._keys.shape[1]

    @property
    def capacity(self) -> int:
        """The number of token slots per row."""
        return self._keys.shape[3]

    def layer(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns all keys and all values of layer `number`, [rows, kv_heads, capacity, head_dim] each."""
        return self._keys[number], self._values[number]

    def seek(self, starts: Sequence[int], size: int) -> None:
        """Sets the first slot of each row to which the next forward pass, of `size` tokens per row, writes."""
        self._start, self._end = min(starts), max(starts) + size
        assert self._end <= self.capacity
        if self._end - self._start == size:
            self._indices = None
        else:
            device = self._keys.device
            rows = torch.arange(len(starts), device=device)[:, None]
            self._indices = rows, torch.tensor(starts, device=device)[:, None] + torch.arange(size, device=device)

    def update(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores a layer's new keys and values [rows, kv_heads, T, head_dim] at the slots that `seek` has set.

        Returns the keys and values of all slots in use, [rows, kv_heads, S, head_dim] each, with S = max(starts) + T.
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

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Keeps only the given rows of the batch, in the given order."""
        if list(rows) != list(range(self.rows)):
            index = torch.tensor(rows, device=self._keys.device)
            self._keys, self._values = self._keys[:, index], self._values[:, index]
