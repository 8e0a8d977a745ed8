"""Converts weight matrices to oneDNN's packed layout once; PyTorch otherwise does this in every call, on a CPU.

On CPUs with bfloat16 instructions, products of a few tokens take half the time, for all matrices. In float32 only large
matrices gain: the product of 16 tokens with 8192 x 256 weights takes 0.96 ms instead of 1.21 ms (one core with AVX2).
"""

import torch
from torch import Tensor, nn

from evalharness.diffusion.network import Transformer

ROWS = 32
"""The number of rows that the packed layout is optimized for; any other number works as well."""
LARGE = 1 << 20
"""Number of weights from which products with a float32 matrix become faster by packing."""


class PackedLinear(nn.Linear):
    """A linear layer with a second copy of its matrix in oneDNN's packed layout, for faster products on a CPU."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(1, 1, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, input: Tensor) -> Tensor:
        """Returns the same as `nn.Linear`; in float32 the rounding may differ."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(input, self._packed, self.bias, "none", [], "")
        return product


def can_pack_linear_layers(model: Transformer) -> bool:
    """Returns whether linear layers can be packed: on a CPU, in float32, or in bfloat16 if the CPU supports it."""
    weight = model.embed.weight
    if weight.device.type != "cpu" or not torch._C._has_mkldnn or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    # The packed layout of bfloat16 needs the CPU's AVX-512 or AVX-NE-CONVERT; `linear` itself does not.
    bfloat16 = weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return bool(bfloat16) or weight.dtype == torch.float32


def pack_linear_layers(model: Transformer) -> None:
    """Replaces each linear layer of a network that becomes faster when packed by a `PackedLinear`, in place.

    Training the network afterwards would change only the plain copies of the matrices.
    """
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear and (child.weight.dtype == torch.bfloat16 or child.weight.numel() >= LARGE):
                setattr(module, name, PackedLinear(child))
