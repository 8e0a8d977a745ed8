"""Packs weight matrices (copies them to oneDNN's blocked memory layout) for fast float32 verification on a CPU.

PyTorch packs a matrix in every call with more than one row. With matrices packed once, verifying 8 tokens takes 1.9
times as long as one token, else 3.6 times (Qwen2.5-Coder-0.5B, one core with AVX2). With two threads, single
tokens gain, too.
"""

import torch
from torch import Tensor, nn

from evalharness.diffusion.checkpoints.lazy_gguf import LazyGgufEmbedding, LazyGgufMatrix
from evalharness.diffusion.network import Transformer
from evalharness.util.memory import release_free_memory

PART = 1 << 13
"""Rows of an output head that are packed at a time."""
ROWS = 8
"""The number of rows that the packed layout is optimized for; any other number works as well."""


class PackedFloatLinear(nn.Module):
    """A float32 linear layer whose matrix is stored in oneDNN's packed layout, for fast products on a CPU."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.bias = linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the layer's outputs [..., outputs] for inputs [..., inputs]."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self.bias, "none", [], "")
        return product


def is_packable_linear_layer(module: nn.Module) -> bool:
    """Returns whether `pack_linear_layer` packs a module: a float32 linear layer on a CPU, in a PyTorch with oneDNN."""
    if type(module) is not nn.Linear or module.weight.device.type != "cpu" or module.weight.dtype != torch.float32:
        return False
    return bool(torch._C._has_mkldnn) and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def pack_linear_layer(module: nn.Module) -> nn.Module:
    """Returns a `PackedFloatLinear` copy of a float32 linear layer on a CPU; any other module unchanged."""
    return PackedFloatLinear(module) if is_packable_linear_layer(module) else module  # type: ignore[arg-type]


class PackedFloatHead(nn.Module):
    """An output head whose matrix is read from a GGUF file and packed for oneDNN.

    It is read and packed in parts, so that the whole unpacked matrix is never in memory.
    """

    def __init__(self, rows: LazyGgufMatrix) -> None:
        super().__init__()
        parts = []
        for first in range(0, len(rows), PART):
            weight = rows.read_rows(slice(first, first + PART))
            parts.append(pack_linear_layer(make_linear_from_matrix(weight)))
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits [..., vocabulary] of hidden states [..., hidden]."""
        return torch.cat([part(x) for part in self.parts], dim=-1)


def pack_target_weights(model: Transformer) -> None:
    """Converts a target's float32 linear layers on a CPU, in place, to the layout in which oneDNN multiplies fastest.

    Passes over a few tokens, which verify drafts, become faster; outputs change only by floating-point rounding.

    With tied embeddings, the output head needs the packed matrix and the embedding the plain (unpacked) one. If the
    matrix comes from a GGUF file, the embedding reads rows from the file, so that only the packed matrix is in memory.
    """
    embed = model.embed
    if isinstance(embed, LazyGgufEmbedding) and model.config.tied and is_packable_linear_layer(model.head):
        embed.free_matrix()
        model.head = None  # type: ignore[assignment]
        model.head = PackedFloatHead(embed.rows)  # type: ignore[assignment]
    pack_linear_layers(model)


def make_linear_from_matrix(weight: Tensor) -> nn.Linear:
    """Returns a linear layer without bias that uses the given matrix [outputs, inputs] without copying it."""
    linear = nn.Linear(1, 1, bias=False, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    return linear


def pack_linear_layers(module: nn.Module) -> None:
    """Replaces the float32 linear layers in a module on a CPU by `PackedFloatLinear` layers, one at a time.

    The original matrices are freed. Anything that reads them, such as `Drafter.attach_target` or a digest of the
    weights, must run before.
    """
    # A list of the linear layers would keep all their matrices until the end.
    parents = [child for child in module.modules() if not isinstance(child, nn.Linear)]
    for parent in parents:
        for name in [name for name, child in parent.named_children() if type(child) is nn.Linear]:
            setattr(parent, name, pack_linear_layer(getattr(parent, name)))
    release_free_memory()
