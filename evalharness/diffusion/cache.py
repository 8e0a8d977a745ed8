"""Keys and values of what was computed before: exact, and shared by autoregressive and diffusion decoding."""

from collections.abc import Sequence

import torch

from evalharness.diffusion.config import ModelConfig


class KVCache:
    """Keys and values [layers, rows, kv_heads, capacity, head_dim] of each row's text, one slot per position.

    A forward pass writes a row's tokens into the slots from the one that `seek` gave on. What lies there from before
    is overwritten, so to drop the end of a row's text is to seek an earlier slot: nothing else has to be undone.
    """

    def __init__(
        self, config: ModelConfig, rows: int, capacity: int, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        """`capacity` is the most positions a row can have, those of padding in a pass included."""
        shape = (config.layers, rows, config.kv_heads, capacity, config.head_dim)
        # Slots that a row's mask hides still take part in sums with weight zero, and zero times NaN is NaN.
        self._keys = torch.zeros(shape, dtype=dtype, device=device)
        self._values = torch.zeros(shape, dtype=dtype, device=device)
        self._start, self._end = 0, 0
        self._places: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return self._keys.shape[1]

    @property
    def capacity(self) -> int:
        """Slots per row."""
        return self._keys.shape[3]

    def layer(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and all values of a layer, [rows, kv_heads, capacity, head_dim] each."""
        return self._keys[number], self._values[number]

    def seek(self, starts: Sequence[int], size: int) -> None:
        """Says where the next pass, of `size` tokens, writes: one slot per row, at which its tokens begin."""
        self._start, self._end = min(starts), max(starts) + size
        assert self._end <= self.capacity
        if self._end - self._start == size:
            self._places = None
        else:
            device = self._keys.device
            rows = torch.arange(len(starts), device=device)[:, None]
            self._places = rows, torch.tensor(starts, device=device)[:, None] + torch.arange(size, device=device)

    def update(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores a layer's new keys and values [rows, kv_heads, T, head_dim] and gives all up to the last slot written.

        Both results are [rows, kv_heads, S, head_dim], S = max(starts) + T.
        """
        all_keys, all_values = self._keys[layer, :, :, : self._end], self._values[layer, :, :, : self._end]
        if self._places is None:
            all_keys[:, :, self._start :] = keys
            all_values[:, :, self._start :] = values
        else:
            rows, slots = self._places
            all_keys[rows, :, slots] = keys.transpose(1, 2)
            all_values[rows, :, slots] = values.transpose(1, 2)
        return all_keys, all_values

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all rows but these, in this order."""
        if list(rows) != list(range(self.rows)):
            place = torch.tensor(rows, device=self._keys.device)
            self._keys, self._values = self._keys[:, place], self._values[:, place]
