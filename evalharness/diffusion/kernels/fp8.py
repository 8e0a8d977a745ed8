"""Weights of a linear layer as the kernels read them: in the activations' precision, or as 8-bit floats with scales.

Only weights are 8-bit floats (W8A16): they are what a step at small batches waits for. Activations stay as they are.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

FP8 = torch.float8_e4m3fn


@dataclass(frozen=True)
class Weight:
    """`values` [out, in], row-major. With a `scale` [out], float32, row i stands for values[i] * scale[i]."""

    values: Tensor
    scale: Tensor | None = None

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The matrix itself [out, in]."""
        if self.scale is None:
            return self.values.to(dtype)
        return (self.values.float() * self.scale[:, None]).to(dtype)


def quantise(weight: Tensor) -> Weight:
    """`weight` [out, in] as e4m3, each output channel scaled so that its largest value is e4m3's largest, 448.

    The error of an entry is at most 2^-4 of its size, or 2^-10 of its channel's scale where that is more.
    """
    exact = weight.float()
    # A channel of zeros has to be divided by something.
    scale = (exact.abs().amax(dim=1) / torch.finfo(FP8).max).clamp(min=torch.finfo(torch.float32).tiny)
    return Weight((exact / scale[:, None]).to(FP8).contiguous(), scale)
