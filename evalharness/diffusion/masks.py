"""Which position may look at which: bool masks [B, 1, T, S] for the network, true where it may."""

import torch
from torch import Tensor

from evalharness.diffusion.config import Attention


def causal_mask(size: int, device: torch.device | str = "cpu") -> Tensor:
    """[1, 1, size, size]: each position sees itself and what is before it."""
    return torch.ones(size, size, dtype=torch.bool, device=device).tril()[None, None]


def joint_mask(documents: Tensor, blocks: Tensor, copies: int, attention: Attention = "causal") -> Tensor:
    """The mask of one training pass over [clean text ; noised copy ; ... ], each part of length L, T = (1 + copies) L.

    `documents` [B, L] numbers the packed documents, none of which sees another. `blocks` [B, L] numbers the blocks
    in the order of the text; a part that is only ever given, such as an instruction, is a block of its own. Clean
    text sees clean text: what is before it (`causal`), or also the rest of its block (`block_causal`). A noised block
    sees the clean blocks before it, and itself in its own copy. The position ids are those of the text, repeated.
    [B, 1, T, T]. Source: BD3-LM (arXiv 2503.09573) section 3.2, with clean text made token-causal.
    """
    same = documents[:, :, None] == documents[:, None, :]
    query, key = blocks[:, :, None], blocks[:, None, :]
    order = torch.arange(documents.shape[1], device=documents.device)
    clean = same & (order[:, None] >= order if attention == "causal" else query >= key)
    before, within = same & (query > key), same & (query == key)
    nothing = torch.zeros_like(same)
    lines = [torch.cat([clean, *[nothing] * copies], dim=-1)]
    for copy in range(copies):
        lines.append(torch.cat([before, *(within if copy == other else nothing for other in range(copies))], dim=-1))
    return torch.cat(lines, dim=1)[:, None]
