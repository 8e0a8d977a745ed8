"""Block diffusion decoding: blocks of masks are denoised from left to right, the tokens of a block in parallel.

Networks with causal or block-causal attention keep finished blocks in the KV cache. A finished block's keys and values
are computed in the first forward pass over the next block, so that it needs no pass for itself. Bidirectional networks
compute the whole canvas in every pass and have no cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.denoising import BlockState, DecodingEngine, DenoisingSettings, last_attended_positions
from evalharness.diffusion.forward import RowInput, forward_rows, gather_hidden_states
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, record_output_times
from evalharness.diffusion.rules import BlockPredictions


@torch.inference_mode()
def denoise(
    model: Transformer, rows: Sequence[Row], denoising: DenoisingSettings, engine: DecodingEngine | None = None
) -> None:
    """Decodes a batch of rows (sequences) by block diffusion until each has ended; appends the tokens to the rows.

    Each row's prompt, output and last block must fit in the network's `max_length`. If `engine` is given and supports
    these settings, it denoises after prefill; it must have been made for the same network.
    """
    if not rows:
        return
    config, cache = model.config, None
    if engine is not None and not engine.supports(denoising.sampler, denoising):
        engine = None
    # An engine prepares its session once for many batches; that time is not part of this batch's latency.
    engine_cache = engine.allocate_cache(rows, denoising.sampler, denoising) if engine else None
    start = time.perf_counter()
    for row in rows:
        row.text = row.prompt[: denoising.prefilled_prompt_length(len(row.prompt))]
    if config.attention != "bidirectional":
        cache = prefill(model, rows, denoising.block, start, engine_cache)
    blocks = [BlockState(row, canvas_left=row.canvas) for row in rows]
    for block in blocks:
        block.start_next_block(denoising, config)
    if engine is not None:
        engine.denoise(blocks, denoising, start)
        return
    while blocks:
        inputs = [block.next_input(config, denoising.block) for block in blocks]
        hidden = forward_rows(model, inputs, cache)
        record_output_times(advance_blocks(model, hidden, blocks, inputs, denoising), start)
        blocks = drop_blocks_of_ended_rows(blocks, cache)


def advance_blocks(
    model: Transformer,
    hidden: Tensor,
    blocks: Sequence[BlockState],
    inputs: Sequence[RowInput],
    denoising: DenoisingSettings,
    on_commit: Callable[[BlockState], None] | None = None,
) -> list[Row]:
    """Commits predicted tokens in each row's block after a forward pass; if the block is finished, starts the next one.

    `blocks` and `inputs` are the block and the pass's input of each row, and `hidden` [rows, T, hidden] the pass's
    hidden states. The decoding rule chooses which predicted tokens are written. `on_commit` is called with each block
    after its tokens are written, before the row's next block is started. Returns the rows that have ended or whose
    block is finished.
    """
    predictions = predict_blocks(model, hidden, blocks, inputs, denoising)
    chosen = choose_positions_to_commit(predictions, denoising) & predictions.editable
    advanced: list[Row] = []
    results = zip(blocks, predictions.proposed.tolist(), chosen.tolist(), predictions.probability.tolist(), strict=True)
    for block, proposed, positions, confidence in results:
        # A shifted network computes the token before the block in every pass, to predict the block's first mask.
        block.row.cached = max(0, len(block.row.text) - model.config.shift)
        finished = block.commit_and_check_finished(proposed, positions, confidence, denoising.rule) or block.row.ended
        if on_commit is not None:
            on_commit(block)
        if finished:
            advanced.append(block.row)
            if not block.row.ended:
                block.start_next_block(denoising, model.config)
    return advanced


def prefill(
    model: Transformer, rows: Sequence[Row], block_length: int, start_time: float, cache: KVCache | None = None
) -> KVCache:
    """Computes the keys and values of each row's `text`, the tokens to prefill, in one pass; returns the KV cache.

    The cache is `cache` if given, else a new one with enough room for prompts, outputs and blocks of `block_length`
    tokens. Each row's `prefill_s` becomes the seconds since `start_time`, a `time.perf_counter()`.
    """
    config, weight = model.config, model.embed.weight
    # Inputs are padded to the longest one of the pass, which may be another row's finished block and its next one.
    capacity = max(len(row.prompt) + row.stop_checker.limit for row in rows) + 4 * (block_length + 1)
    cache = cache or KVCache(config, len(rows), capacity, weight.dtype, weight.device)
    if any(row.text for row in rows):
        limits = [last_attended_positions(config, block_length, 0, len(row.text)) for row in rows]
        inputs = [RowInput(0, row.text, row_limits) for row, row_limits in zip(rows, limits, strict=True)]
        forward_rows(model, inputs, cache)
    if weight.device.type == "cuda":
        torch.cuda.synchronize(weight.device)
    now = time.perf_counter() - start_time
    for row in rows:
        row.cached, row.prefill_s = max(0, len(row.text) - config.shift), now
    return cache


def predict_blocks(
    model: Transformer,
    hidden: Tensor,
    blocks: Sequence[BlockState],
    inputs: Sequence[RowInput],
    denoising: DenoisingSettings,
) -> BlockPredictions:
    """Returns the network's predictions for those positions of the blocks that the decoding rule may change.

    `blocks` and `inputs` are the block and the input of each row in a forward pass, and `hidden` [rows, T, hidden] the
    pass's hidden states.
    """
    config, device = model.config, hidden.device
    size = max(len(block.tokens) for block in blocks)
    positions = [
        [
            position
            for position in range(block.prompt_tokens, len(block.tokens))
            if block.masked[position] or denoising.rule.max_edit_passes
        ]
        for block in blocks
    ]
    offsets = [
        len(block.row.text) - row_input.start - config.shift for block, row_input in zip(blocks, inputs, strict=True)
    ]
    sources = [
        (row, max(0, offsets[row] + position))
        for row, row_positions in enumerate(positions)
        for position in row_positions
    ]
    targets = torch.tensor(
        [row * size + position for row, row_positions in enumerate(positions) for position in row_positions],
        device=device,
    )

    def scatter_to_blocks(values: Tensor) -> Tensor:
        return values.new_zeros(len(blocks) * size).index_copy_(0, targets, values).view(len(blocks), size)

    def pad_to_blocks(lists: list[list[int]] | list[list[bool]], dtype: torch.dtype) -> Tensor:
        return torch.tensor([[*row, *[0] * (size - len(row))] for row in lists], dtype=dtype, device=device)

    sampler = denoising.sampler
    logits = sampler.suppress_banned_tokens(model.logits(gather_hidden_states(hidden, sources)))
    suppress_end_tokens(logits, blocks, positions, denoising)
    uniforms: list[float] = []
    if sampler.temperature:
        for block, row_positions in zip(blocks, positions, strict=True):
            first = block.row.forward_passes * denoising.block
            uniforms += [block.row.random_number(first + position) for position in row_positions]
    proposed = sampler.sample(logits, uniforms)
    probability, margin, entropy = compute_token_statistics(
        sampler.apply_temperature(logits) if denoising.rule_sees_temperature else logits,
        proposed,
        denoising.rule.needs_distribution,
    )
    return BlockPredictions(
        masked=pad_to_blocks([block.masked for block in blocks], torch.bool),
        proposed=scatter_to_blocks(proposed),
        probability=scatter_to_blocks(probability),
        margin=scatter_to_blocks(margin),
        entropy=scatter_to_blocks(entropy),
        tokens=pad_to_blocks([block.tokens for block in blocks], torch.long),
        editable=scatter_to_blocks(torch.ones_like(proposed)).bool(),
        initial_masks=torch.tensor([block.initial_masks for block in blocks], device=device),
        step=torch.tensor([block.step for block in blocks], device=device),
    )


def suppress_end_tokens(
    logits: Tensor, blocks: Sequence[BlockState], positions: Sequence[Sequence[int]], denoising: DenoisingSettings
) -> None:
    """Sets the logits of end tokens to minus infinity, in place, for the first `hold_end` tokens of each output.

    The N rows of `logits` [N, V] belong, in order, to the given `positions` of each block. Source: ML-GSAI/LLaDA
    generate.py, `logits_eos_inf`, which suppresses end tokens at all positions (LLaDA, arXiv 2502.09992, appendix B.4).
    """
    if not denoising.hold_end:
        return
    held = [
        block.start + position - len(block.row.prompt) < denoising.hold_end
        for block, block_positions in zip(blocks, positions, strict=True)
        for position in block_positions
    ]
    rows = torch.tensor(held, device=logits.device).nonzero()[:, 0]
    logits[rows[:, None], torch.tensor(denoising.held_end_tokens, device=logits.device)] = -torch.inf


def choose_positions_to_commit(predictions: BlockPredictions, denoising: DenoisingSettings) -> Tensor:
    """Returns at which positions of B blocks to write the proposed tokens after a forward pass, bool [B, L].

    The decoding rule chooses them. If blocks are denoised in sub-blocks, the rule sees only the masks of the first
    sub-block that has masks.
    """
    masked = predictions.masked
    if denoising.sub_block:
        sub_block = torch.arange(masked.shape[1], device=masked.device) // denoising.sub_block
        first = sub_block.expand_as(masked).masked_fill(~masked, masked.shape[1]).amin(dim=-1, keepdim=True)
        masked = masked & (sub_block == first)
    chosen = denoising.rule.choose(replace(predictions, masked=masked))
    if denoising.first_token_alone:
        seed = (predictions.step == 0)[:, None] & masked[:, :1]
        chosen = torch.where(seed, masked & (masked.cumsum(dim=-1) == 1), chosen)
    return chosen


class ChosenTokenStatistics(NamedTuple):
    """Statistics, [N] each, of N chosen tokens and of the distributions from which they were chosen."""

    probability: Tensor
    """The chosen token's probability."""
    margin: Tensor
    """The probability of the most probable token minus that of the second."""
    entropy: Tensor
    """In nats."""


def compute_token_statistics(logits: Tensor, chosen_tokens: Tensor, with_distribution: bool) -> ChosenTokenStatistics:
    """Returns the probabilities of the `chosen_tokens` [N] under `logits` [N, V], and margins and entropies.

    The latter two describe the distribution of each token. They are only computed if `with_distribution` is true, and
    are zero otherwise.
    """
    logit = logits.gather(1, chosen_tokens[:, None])
    if not with_distribution:
        zero = torch.zeros_like(logit[:, 0])
        return ChosenTokenStatistics(1 / (logits - logit).exp_().sum(dim=-1), zero, zero)
    log_probabilities = logits.log_softmax(dim=-1)
    best = log_probabilities.topk(2, dim=-1).values.exp()
    entropy = torch.special.entr(log_probabilities.exp()).sum(dim=-1)
    probability = log_probabilities.gather(1, chosen_tokens[:, None])[:, 0].exp()
    return ChosenTokenStatistics(probability, best[:, 0] - best[:, 1], entropy)


def drop_blocks_of_ended_rows(blocks: list[BlockState], cache: KVCache | None) -> list[BlockState]:
    """Returns the blocks whose rows have not ended; removes the ended rows from the KV cache."""
    running = [index for index, block in enumerate(blocks) if not block.row.ended]
    if cache is not None and running and len(running) < len(blocks):
        cache.keep_rows(running)
    return [blocks[index] for index in running]
