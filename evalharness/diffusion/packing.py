"""Matrices laid out for the CPU's bfloat16 units once, instead of in each product: the same numbers in half the time.

PyTorch lays a matrix out anew in each call of `linear`, which at a few rows takes longer than the product.
"""

import torch
from torch import Tensor, nn

from evalharness.diffusion.network import Transformer

ROWS = 32
"""The number of rows that the layout is chosen for; any other number works as well."""


class PackedLinear(nn.Linear):
    """A linear layer that keeps its matrix a second time, in oneDNN's layout."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(1, 1, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, input: Tensor) -> Tensor:
        """As `nn.Linear`."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(input, self._packed, self.bias, "none", [], "")
        return product


def can_pack(model: Transformer) -> bool:
    """Whether the network is one that this is for, and PyTorch has what it takes."""
    weight = model.embed.weight
    known = bool(torch._C._has_mkldnn) and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return known and weight.device.type == "cpu" and weight.dtype == torch.bfloat16


def pack(model: Transformer) -> None:
    """Replaces the linear layers of a network that is not trained any more."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child))
