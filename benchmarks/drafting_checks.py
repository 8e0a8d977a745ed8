"""Checks the drafter and speculative decoding with the fused kernels against PyTorch, with random weights."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from kernel_checks import Check, Setting
from step_checks import MORE, disagreement, make_row, random_network, random_texts
from torch import Tensor

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.drafting.config import DrafterConfig
from evalharness.diffusion.drafting.decoding import draft_and_verify
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.drafting.proposals import DraftingSettings
from evalharness.diffusion.kernels.drafting.drafter import (
    draft_tokens,
    extend_drafter_context,
    new_drafter_buffers,
    read_drafter_weights,
    record_tapped_states,
)
from evalharness.diffusion.kernels.drafting.engine import SpeculativeEngine
from evalharness.diffusion.kernels.drafting.state import new_speculation_state
from evalharness.diffusion.kernels.step import read_kernel_weights
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Sampler

WAYS = ("lookup", "drafter", "hybrid")
"""What drafts."""


def random_drafter(target: Transformer, taps: tuple[int, ...], block: int, vocabulary: int, rank: int) -> Drafter:
    """A drafter of two layers with random weights, for the device and the precision of its target."""
    network = replace(
        target.config, vocab_size=vocabulary, layers=2, qk_norm=True, qkv_bias=False, tied=False, attention="causal"
    )
    with target.embed.weight.device:
        drafter = Drafter(DrafterConfig(network, taps, block, rank, carry=True)).eval().requires_grad_(False)
        drafter.vocabulary.copy_(torch.randperm(target.config.vocab_size)[:vocabulary].sort().values)
    drafter.following.weight.normal_()
    drafter.mask.normal_(std=0.02)
    drafter = drafter.to(target.embed.weight.dtype)
    drafter.attach_target(target)
    return drafter


def exact_drafter(drafter: Drafter, exact_target: Transformer) -> Drafter:
    """The drafter in float32."""
    exact = Drafter(drafter.config).to(drafter.norm.weight.device).eval().requires_grad_(False)
    exact.load_state_dict(drafter.state_dict())
    exact.attach_target(exact_target)
    return exact


def torch_draft(drafter: Drafter, states: Tensor, anchors: Tensor, depths: int) -> tuple[Tensor, Tensor]:
    """The final states [B, block, hidden] of blocks after the target's `states`, and the drafted tokens [B, depths]."""
    sequences, context, _ = states.shape
    cache = drafter.new_cache(sequences, context + drafter.config.block)
    drafter.extend_context(states, [0] * sequences, cache)
    final = drafter(anchors, [context] * sequences, cache)
    previous, tokens = drafter.draft_vocabulary_indices(anchors), []
    for depth in range(depths):
        previous = drafter.logits(final[:, depth], previous).argmax(dim=-1)
        tokens.append(drafter.vocabulary[previous])
    return final, torch.stack(tokens, dim=1)


def fused_draft(drafter: Drafter, states: Tensor, anchors: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The same with the kernels, `size` - 1 tokens; the last `size` of the `states` are those of a verifying pass."""
    sequences, context, _ = states.shape
    weights, device = read_drafter_weights(drafter), states.device
    cache = drafter.new_cache(sequences, context + drafter.config.block)
    drafter.extend_context(states[:, :-size], [0] * sequences, cache)
    depths = min(size - 1, drafter.config.block)
    b = new_drafter_buffers(weights, cache, size, depths)
    step = b.step
    for buffer in (
        b.taps,
        b.fused,
        b.features,
        b.context,
        b.before,
        b.logits,
        step.residual,
        step.normed,
        step.queries,
    ):
        buffer.fill_(math.nan)
    state = new_speculation_state(sequences, size - 1, 1, 1, device)
    state.last.copy_(anchors)
    state.cached.fill_(context)
    state.uses_drafter.fill_(1)
    state.limit.fill_(size)
    state.done.zero_()
    state.live.fill_(sequences)
    parts = states[:, -size:].chunk(len(weights.taps), dim=-1)
    for tap, part in zip(weights.taps, parts, strict=True):
        record_tapped_states(weights, b, tap, part.flatten(0, 1).contiguous(), state.live)
    first = torch.arange(context - size, context, dtype=torch.int32, device=device)
    extend_drafter_context(weights, b, cache, first.repeat(sequences), state.live)
    draft_tokens(weights, b, cache, state, 0.0)
    return step.normed.view(sequences, drafter.config.block, -1), state.drafts[:, :depths].clone()


@torch.inference_mode()
def check_drafter(
    setting: Setting, config: ModelConfig, sequences: int, context: int, block: int, vocabulary: int, rank: int
) -> Iterator[Check]:
    """The drafter's states and tokens after a context: about as close to float32 as PyTorch's.

    A second run has to give the same result bit for bit.
    """
    target = random_network(setting, replace(config, layers=1))
    drafter = random_drafter(target, (0, 2), block, vocabulary, rank)
    exact = exact_drafter(drafter, copy.deepcopy(target).float())
    states = setting.random(sequences, context, 2 * config.hidden)
    anchors = torch.tensor(random_texts(config, sequences, 1), device=setting.device)[:, 0]
    plain, exact_results = (
        torch_draft(drafter, states, anchors, block),
        torch_draft(exact, states.float(), anchors, block),
    )
    fused, again = (fused_draft(drafter, states, anchors, block + 1) for _ in range(2))
    steady = all(torch.equal(first, second) for first, second in zip(fused, again, strict=True))
    theirs, ours = (float((part[0] - exact_results[0]).square().mean().sqrt()) for part in (plain, fused))
    shape = f"{sequences} x {block} behind {context}, {vocabulary} tokens of rank {rank}"
    yield Check("drafter, states", shape, ours / (MORE * theirs + 1e-5) if math.isfinite(ours) and steady else math.inf)
    # After a token that differs, later ones have another token before them.
    differ, explained = (int((part[1] != exact_results[1]).any(dim=1).sum()) for part in (fused, plain))
    yield Check("drafter, drafts", shape, differ / (MORE * explained + 0.05 * sequences + 1))


@torch.inference_mode()
def check_speculation(
    setting: Setting, config: ModelConfig, sequences: int, limit: int, ways: Sequence[str] = WAYS
) -> Iterator[Check]:
    """Speculative decoding: the kernels leave the text of float32's plain decoding no sooner than PyTorch does.

    The drafter is random, and nearly all of its drafts are rejected. In float32 every token has to be the same.
    """
    model = random_network(setting, config, strength=4.0)
    exact_model = copy.deepcopy(model).float()
    drafter = random_drafter(model, (0, config.layers - 1), 4, config.vocab_size // 2, 16)
    sampler, prompts = Sampler(banned=(config.mask_id,)), random_texts(config, sequences, 11)
    plain, exact = ([make_row(prompt, limit) for prompt in prompts] for _ in range(2))
    decode_autoregressively(model, plain, sampler)
    decode_autoregressively(exact_model, exact, sampler)
    for way in ways:
        drafting = DraftingSettings(None if way == "lookup" else drafter, way != "drafter", max_length=4)
        engine, fused = (
            SpeculativeEngine(read_kernel_weights(model), drafting.drafter),
            [make_row(p, limit) for p in prompts],
        )
        draft_and_verify(model, fused, sampler, drafting, engine)
        ours, theirs = disagreement(fused, exact), disagreement(plain, exact)
        yield Check(f"drafts, {way}", f"{sequences} x {limit} tokens", ours / (2 * theirs + 0.02))
