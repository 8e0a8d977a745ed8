"""Whether the fused kernels are to be used, decided from the device, the precision and the network's shape."""

import importlib.util
from dataclasses import dataclass
from typing import Literal

import torch

from evalharness.diffusion.kernels.kernel_options import Weights, Wish, insistence, remedy
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError


@dataclass(frozen=True)
class Choice:
    """What is used, and why."""

    name: Literal["fused", "torch"]
    reason: str


def select(wish: Wish, model: Transformer, weights: Weights = "network") -> Choice:
    """What to decode `model` with. Raises UserError for `fused` or 8-bit weights where that cannot be, and why.

    Of a network that is not on a CUDA device nothing more is looked at, and nothing of Triton's is imported.
    """
    insists = insistence(wish, weights)
    if wish == "torch":
        if insists:
            raise UserError(f"{insists}: only the fused kernels read such weights; leave out kernels=torch")
        return Choice("torch", "option kernels=torch")
    obstacle = find_obstacle(model)
    if obstacle and insists:
        raise UserError(f"{insists}: {obstacle}; {remedy(weights)}")
    if obstacle:
        return Choice("torch", obstacle)
    if model.config.attention == "bidirectional" and not insists:
        # Passes over hundreds of rows: what the kernels save of launches and waiting is little there.
        return Choice("torch", "the network computes its whole canvas in each pass, which waits for no memory")
    why = insists or "a Hopper GPU, and a network that they suit"
    return Choice("fused", f"{why}; prompts, drafts, draws with top_p below 1 and the rule editing run on torch")


def find_obstacle(model: Transformer) -> str:
    """Why the kernels cannot be used for a network where it is; empty where they can."""
    weight, config = model.embed.weight, model.config
    if weight.device.type != "cuda":
        return f"the fused kernels need a Hopper GPU, and the network is on device {weight.device.type}"
    major, minor = torch.cuda.get_device_capability(weight.device)
    if (major, minor) != (9, 0):
        return f"the fused kernels are for compute capability 9.0 (H100, H200), and the GPU has {major}.{minor}"
    if weight.dtype != torch.bfloat16:
        name = str(weight.dtype).removeprefix("torch.")
        return f"the fused kernels compute in bfloat16, and the network is in {name}"
    if config.head_dim not in (64, 128):
        return f"the fused kernels are for heads of 64 or 128 dimensions, and the network's have {config.head_dim}"
    for name in ("hidden", "intermediate"):
        if (size := getattr(config, name)) % 64:
            return f"the fused kernels need a multiple of 64, and the network's {name} size is {size}"
    if importlib.util.find_spec("triton") is None:
        return "triton, which compiles the fused kernels, is not installed"
    return ""
