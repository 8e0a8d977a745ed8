"""The device state of speculative decoding: each sequence's draft, its accepted tokens, and the passes so far."""

from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.diffusion.kernels.layout import allocate_fields_in_one_tensor


@dataclass(frozen=True)
class SpeculationState:
    """The state of B sequences in speculative decoding on the device, for drafts of up to D tokens.

    The host writes it before a round of up to S verifying forward passes, and reads it afterwards. The input of a pass
    is, for each sequence, the last token, which is at position `cached`, and then the draft. Fields are int32 unless
    stated otherwise.
    """

    flat: Tensor
    """The memory of all following fields: host and device exchange it in one copy."""
    last: Tensor
    """[B]: the last final token, whose keys and values are not in the KV cache yet."""
    cached: Tensor
    """[B]: the position of that token."""
    drafts: Tensor
    """[B, D]."""
    draft_length: Tensor
    """[B]: tokens of the next pass's draft."""
    uses_drafter: Tensor
    """[B]: 1 if the drafter network drafts for the sequence, 0 if the host has written a draft."""
    limit: Tensor
    """[B]: the most tokens that the sequence can still generate at the start of the round."""
    pass_limit: Tensor
    """[B]: forward passes of the round, at most S."""
    outputs: Tensor
    """[B, S * (D + 1)]: the tokens generated in this round."""
    output_length: Tensor
    """[B]."""
    passes: Tensor
    """[B]: forward passes of the round so far."""
    verified_drafts: Tensor
    """[B, S, D]: the draft that each pass of the round verified."""
    verified_lengths: Tensor
    """[B, S]: tokens of these drafts."""
    accepted: Tensor
    """[B, S]: how many of them were accepted."""
    seeds: Tensor
    """[B], int64: the seed of a sequence's random numbers."""
    offsets: Tensor
    """[B]: the index of the random number for the sequence's next token."""
    done: Tensor
    """[B]: 1 for a sequence that waits for the host."""
    live: Tensor
    """[1]: the number of sequences that do not wait."""
    end_tokens: Tensor
    """[E]: tokens that end a sequence."""


def new_speculation_state(
    sequence_count: int, max_draft_length: int, max_passes: int, max_end_tokens: int, device: torch.device | str
) -> SpeculationState:
    """Returns a new state of speculative decoding on a device, in which all sequences are marked as done.

    Drafts have at most `max_draft_length` tokens. A round has at most `max_passes` forward passes, after which the host
    reads the state.
    """
    one, per_pass = (sequence_count,), (sequence_count, max_passes)
    shapes = {
        "last": one, "cached": one, "drafts": (sequence_count, max_draft_length), "draft_length": one,
        "uses_drafter": one, "limit": one, "pass_limit": one,
        "outputs": (sequence_count, max_passes * (max_draft_length + 1)), "output_length": one,
        "passes": one, "verified_drafts": (sequence_count, max_passes, max_draft_length), "verified_lengths": per_pass,
        "accepted": per_pass, "seeds": (sequence_count, 2), "offsets": one, "done": one, "live": (1,),
        "end_tokens": (max_end_tokens,),
    }  # fmt: skip
    flat, views = allocate_fields_in_one_tensor(shapes, device)
    views["seeds"] = views["seeds"].view(torch.int64)[:, 0]
    views["done"].fill_(1)
    views["end_tokens"].fill_(-1)
    return SpeculationState(flat, **views)
