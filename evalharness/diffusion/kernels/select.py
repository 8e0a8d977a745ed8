"""Decides whether decoding uses the fused kernels, from the device, the precision and the network's shape."""

import importlib.util
from dataclasses import dataclass
from typing import Literal

import torch

from evalharness.diffusion.drafting.config import DrafterConfig
from evalharness.diffusion.kernels.kernel_options import (
    KernelsOption,
    WeightFormat,
    advice_to_avoid_fused_kernels,
    find_option_requiring_fused_kernels,
)
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError


@dataclass(frozen=True)
class KernelSelection:
    """The kernels with which a run decodes (fused or torch), and why these; both are recorded in the run's manifest."""

    name: Literal["fused", "torch"]
    reason: str


def select_kernels(
    kernels_option: KernelsOption, model: Transformer, weight_format: WeightFormat = "network"
) -> KernelSelection:
    """Returns the kernels (fused or torch) with which to decode `model`.

    Raises UserError if the options require the fused kernels and they cannot run. Does not import Triton.
    """
    required_option = find_option_requiring_fused_kernels(kernels_option, weight_format)
    if kernels_option == "torch":
        if required_option:
            raise UserError(
                f"{required_option} needs the fused kernels, and option kernels=torch excludes them; leave one of "
                "these two options out"
            )
        return KernelSelection("torch", "option kernels=torch")
    problem = why_fused_kernels_are_unsupported(model)
    if problem and required_option:
        raise UserError(f"{required_option} cannot be used: {problem}; {advice_to_avoid_fused_kernels(weight_format)}")
    if problem:
        return KernelSelection("torch", problem)
    if model.config.attention == "bidirectional" and not required_option:
        # Passes over hundreds of rows are limited by compute; the kernels save launches and memory traffic.
        return KernelSelection(
            "torch", "the network computes its whole canvas in every pass, which is limited by compute"
        )
    reason = required_option or "a Hopper GPU and a network of a supported shape"
    return KernelSelection(
        "fused",
        f"{reason}; prefill, drafts of option draft=N, sampling with top_p below 1 and the rule editing run on torch",
    )


def why_fused_kernels_are_unsupported(model: Transformer) -> str:
    """Returns why the fused kernels cannot run this network on its device; an empty string if they can."""
    weight, config = model.embed.weight, model.config
    if weight.device.type != "cuda":
        return f"the fused kernels need a Hopper GPU, and the network is on device {weight.device.type}"
    major, minor = torch.cuda.get_device_capability(weight.device)
    if (major, minor) != (9, 0):
        return f"the fused kernels need compute capability 9.0 (H100, H200), and the GPU has {major}.{minor}"
    if weight.dtype != torch.bfloat16:
        name = str(weight.dtype).removeprefix("torch.")
        return f"the fused kernels compute in bfloat16, and the network is in {name}"
    if config.head_dim not in (64, 128):
        return f"the fused kernels need heads of 64 or 128 dimensions, and the network's have {config.head_dim}"
    for name in ("hidden", "intermediate"):
        if (size := getattr(config, name)) % 64:
            return f"the fused kernels need a multiple of 64, and the network's {name} size is {size}"
    if importlib.util.find_spec("triton") is None:
        return "triton, which compiles the fused kernels, is not installed"
    return ""


def find_unsupported_drafter_feature(config: DrafterConfig) -> str:
    """Returns the feature for which the fused kernels do not support a drafter, as text "drafters with ...".

    Returns an empty string if they support the drafter. The caller checks that they support its target.
    """
    network = config.network
    if network.head_dim not in (64, 128):
        return f"drafters with heads of {network.head_dim} dimensions (other than 64 or 128)"
    if network.intermediate % 64:
        return f"drafters with an intermediate size of {network.intermediate} (no multiple of 64)"
    if config.rank % 16:
        return f"drafters with a Markov head of rank {config.rank} (no multiple of 16)"
    return ""
