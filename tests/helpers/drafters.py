"""Drafters with random weights for the tiny networks."""

from dataclasses import replace
from typing import Any

import torch

from evalharness.diffusion.drafting.config import DrafterConfig
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.network import Transformer


def tiny_drafter(
    target: Transformer,
    seed: int = 0,
    block: int = 4,
    drafted: int = 24,
    target_sha256: str = "",
    target_name: str = "tiny",
    carry: bool = False,
    rank: int = 6,
    **changes: Any,
) -> Drafter:
    """A drafter of `target` whose draft vocabulary is a random part of the target's."""
    torch.manual_seed(seed)
    network = replace(
        target.config, vocab_size=drafted, layers=2, qk_norm=True, qkv_bias=False, tied=False, rotary=1.0, **changes
    )
    drafter = Drafter(
        DrafterConfig(
            network, (0, 1), block=block, rank=rank, target=target_name, target_sha256=target_sha256, carry=carry
        )
    )
    ids = torch.randperm(target.config.vocab_size)[:drafted].sort().values
    drafter.vocabulary.copy_(ids.int())
    for parameter in drafter.parameters():
        if parameter.dim() == 2:
            parameter.data.add_(torch.randn_like(parameter) * 0.3)
    drafter.attach_target(target)
    return drafter.eval().requires_grad_(False)
