"""Whether a network's steps run as fused kernels; decided once, and said in the manifest."""

import importlib.util
from dataclasses import dataclass
from typing import Literal

import torch

from evalharness.diffusion.model import Transformer
from evalharness.errors import UserError

Kernels = Literal["auto", "fused", "torch"]
REST = "prompts, drafts, and tokens drawn at a temperature run on torch"


@dataclass(frozen=True)
class Choice:
    """Which kernels a network runs on, and why those."""

    name: Literal["fused", "torch"]
    reason: str


def select(kernels: Kernels, model: Transformer) -> Choice:
    """The kernels for a network where it lies; `auto` takes the fused ones where they can run.

    Raises UserError for `fused` where they cannot, with the reason.
    """
    if kernels == "torch":
        return Choice("torch", "as asked")
    if reason := obstacle(model):
        if kernels == "fused":
            raise UserError(f"option kernels=fused: {reason}; use kernels=auto or kernels=torch")
        return Choice("torch", reason)
    return Choice("fused", f"{'as asked' if kernels == 'fused' else 'a Hopper GPU that takes these shapes'}; {REST}")


def obstacle(model: Transformer) -> str:
    """Why a network cannot run on the fused kernels; empty where it can."""
    weight, config = model.embed.weight, model.config
    if weight.device.type != "cuda":
        return f"the fused kernels need a Hopper GPU, and the network is on the device {weight.device.type}"
    major, minor = torch.cuda.get_device_capability(weight.device)
    if major != 9:
        return f"the fused kernels need a Hopper GPU (compute capability 9.0), and this one has {major}.{minor}"
    if config.attention == "bidirectional":
        return "the fused kernels decode from a cache, and a bidirectional network has none"
    if importlib.util.find_spec("triton") is None:
        return "the fused kernels need Triton, which is not installed"
    return misfit(config.head_dim, (config.hidden, config.intermediate, config.heads * config.head_dim), weight.dtype)


def misfit(head_dim: int, inner: tuple[int, ...], dtype: torch.dtype) -> str:
    """Why kernels of these shapes cannot be: `inner` are the lengths of the products' sums."""
    if dtype != torch.bfloat16:
        return f"the fused kernels compute in bfloat16, and the network is in {str(dtype).removeprefix('torch.')}"
    if head_dim not in (64, 128):
        return f"the fused kernels take heads of 64 or 128 dimensions, and the network has {head_dim}"
    if odd := [size for size in inner if size % 64]:
        return f"the fused kernels take sizes that 64 divides, and the network has one of {odd[0]}"
    return ""
