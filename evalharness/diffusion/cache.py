"""Keys and values of what was computed before: exact, and shared by autoregressive and diffusion decoding."""

from collections.abc import Sequence

import torch

from evalharness.diffusion.config import ModelConfig


class KVCache:
    """Keys and values [layers, rows, kv_heads, capacity, head_dim] of each row's text, one slot per position.

    A forward pass of T tokens writes row r's into the slots from `starts[r]` on. What lies there from before is
    overwritten, so to drop the end of a row's text is to start earlier: nothing else has to be undone.
    """

    def __init__(
        self, config: ModelConfig, rows: int, capacity: int, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        """`capacity` is the most positions a row can have, those of padding in a pass included."""
        shape = (config.layers, rows, config.kv_heads, capacity, config.head_dim)
        # Slots that a row's mask hides still take part in sums with weight zero, and zero times NaN is NaN.
        self._keys = torch.zeros(shape, dtype=dtype, device=device)
        self._values = torch.zeros(shape, dtype=dtype, device=device)
        self._starts: Sequence[int] = [0] * rows

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return self._keys.shape[1]

    @property
    def capacity(self) -> int:
        """Slots per row."""
        return self._keys.shape[3]

    def seek(self, starts: Sequence[int]) -> None:
        """Where the next passes write, one slot number per row."""
        self._starts = starts

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all rows but these, in this order."""
        place = torch.tensor(rows, device=self._keys.device)
        self._keys, self._values = self._keys[:, place], self._values[:, place]

    def update(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores a layer's new keys and values [rows, kv_heads, T, head_dim] and gives all up to the last slot written.

        Both results are [rows, kv_heads, S, head_dim], S = max(starts) + T.
        """
        size = keys.shape[2]
        end = max(self._starts) + size
        all_keys, all_values = self._keys[layer, :, :, :end], self._values[layer, :, :, :end]
        if min(self._starts) == end - size:
            all_keys[:, :, end - size :] = keys
            all_values[:, :, end - size :] = values
        else:
            for row, start in enumerate(self._starts):
                all_keys[row, :, start : start + size] = keys[row]
                all_values[row, :, start : start + size] = values[row]
        return all_keys, all_values
