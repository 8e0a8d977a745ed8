"""Weight matrices packed once for float32 passes over a few tokens on a CPU.

PyTorch packs a matrix in every call with more than one row. Without that, verifying 8 tokens takes 1.9 times as long as
one token, else 3.6 times (Qwen2.5-Coder-0.5B, one core with AVX2). Single tokens gain nothing.
"""

import torch
from torch import Tensor, nn

ROWS = 8
"""The number of rows that the packed layout is optimized for; any other number works as well."""


class PackedFloatLinear(nn.Module):
    """A linear layer with its matrix only in the packed layout of oneDNN."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.bias = linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the product [..., outputs] of inputs [..., inputs]."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self.bias, "none", [], "")
        return product


def pack_linear(linear: nn.Module) -> nn.Module:
    """Returns a float32 linear layer on a CPU in the packed layout; any other module as it is."""
    if type(linear) is not nn.Linear or linear.weight.device.type != "cpu" or linear.weight.dtype != torch.float32:
        return linear
    if not torch._C._has_mkldnn or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return linear
    return PackedFloatLinear(linear)


def pack_linears(module: nn.Module) -> None:
    """Replaces the float32 linear layers of a module on a CPU, one at a time, by packed ones.

    The replaced matrices are freed, so take what needs them (a drafter, a digest) before.
    """
    # A list of the linear layers would keep all their matrices until the end.
    parents = [child for child in module.modules() if not isinstance(child, nn.Linear)]
    for parent in parents:
        for name in [name for name, child in parent.named_children() if type(child) is nn.Linear]:
            setattr(parent, name, pack_linear(getattr(parent, name)))
