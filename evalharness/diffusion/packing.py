"""Packs weight matrices for the CPU's bfloat16 units: the same results in half the time.

PyTorch packs a matrix in every call of `linear`, which for few rows takes longer than the product itself.
"""

import torch
from torch import Tensor, nn

from evalharness.diffusion.network import Transformer

ROWS = 32
"""The number of rows that the packed layout is optimized for; any other number works as well."""


class PackedLinear(nn.Linear):
    """A linear layer that keeps a second copy of its matrix in oneDNN's packed layout, for bfloat16 on a CPU."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(1, 1, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, input: Tensor) -> Tensor:
        """Returns the same result as `nn.Linear`."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(input, self._packed, self.bias, "none", [], "")
        return product


def can_pack(model: Transformer) -> bool:
    """Returns whether a network's linear layers can be packed: bfloat16 on a CPU that PyTorch supports."""
    weight = model.embed.weight
    supported = bool(torch._C._has_mkldnn) and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    # The packed layout needs the CPU's AVX-512 or AVX-NE-CONVERT; `linear` itself does not.
    supported = supported and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return supported and weight.device.type == "cpu" and weight.dtype == torch.bfloat16


def pack(model: Transformer) -> None:
    """Replaces all linear layers of a network by packed ones. The network must not be trained afterwards."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child))
