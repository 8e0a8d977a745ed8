"""Autoregressive decoding, and self-speculative decoding: the network drafts by diffusion and verifies itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.decoding import prefill
from evalharness.diffusion.denoising import DecodingEngine
from evalharness.diffusion.forward import Segment, causal_segment, forward_segments, gather_states
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler, record_times


@torch.inference_mode()
def autoregress(
    model: Transformer, rows: Sequence[Row], sampler: Sampler, engine: DecodingEngine | None = None
) -> None:
    """Decodes all rows (sequences) of a batch in place until each has ended, one token per forward pass.

    The first counted pass is that over the prompt's last token. After prefill an `engine` of the same network decodes,
    if it is given and supports the `sampler`.
    """
    if not rows:
        return
    if engine is not None and engine.supports(sampler):
        engine_cache, start = engine.cache(rows, sampler), time.perf_counter()
        _prefill_prompts(model, rows, 0, start, engine_cache)
        engine.decode_tokens(rows, push_token, start)
        return
    start = time.perf_counter()
    cache = _prefill_prompts(model, rows, 0, start)
    running = list(rows)
    while running:
        hidden = forward_segments(model, [causal_segment(row.cached, row.text[row.cached :]) for row in running], cache)
        sampled = sample_positions(model, hidden, running, [0], 0, sampler)
        for row, (token,) in zip(running, sampled, strict=True):
            row.forward_passes += 1
            push_token(row, token)
        record_times(running, start)
        running = _keep_running(running, cache)


@torch.inference_mode()
def speculate(model: Transformer, rows: Sequence[Row], block: int, sampler: Sampler) -> None:
    """Decodes the same text as `autoregress` in fewer passes: one drafts `block` tokens, the next one verifies them.

    A drafting pass has the row's last final token and masks, so the first token of a draft needs no verification and is
    always accepted. Verification replaces the first rejected token by the network's own. With a temperature, both
    passes use the same random numbers. Source: self-speculation of a jointly trained network, as in LinearSpec of
    Nemotron-Labs Diffusion (SGLang).
    """
    if not rows:
        return
    start = time.perf_counter()
    cache = _prefill_prompts(model, rows, block, start)
    running = list(rows)
    while running:
        drafts = _draft_tokens(model, running, block, sampler, cache)
        segments = [causal_segment(len(row.text), draft) for row, draft in zip(running, drafts, strict=True)]
        hidden = forward_segments(model, segments, cache)
        verified = sample_positions(model, hidden, running, range(block), 1, sampler)
        for row, draft, following in zip(running, drafts, verified, strict=True):
            row.forward_passes += 2
            accepted = next(
                (position for position in range(1, block) if draft[position] != following[position - 1]), block
            )
            row.record_draft(len(row.text) - len(row.prompt), draft, accepted, "self")
            for token in (*draft[:accepted], following[accepted - 1]):
                if not row.ended:
                    push_token(row, token)
        record_times(running, start)
        running = _keep_running(running, cache)


def _prefill_prompts(
    model: Transformer, rows: Sequence[Row], block: int, start: float, cache: KVCache | None = None
) -> KVCache:
    """Prefills each row's prompt without its last token, whose forward pass predicts the first output token.

    Returns the KV cache: `cache`, or a new one with room for `block` more tokens.
    """
    for row in rows:
        row.text = row.prompt[:-1]
    cache = prefill(model, rows, block, start, cache)
    for row in rows:
        row.text, row.cached = list(row.prompt), len(row.prompt) - 1
    return cache


def _draft_tokens(
    model: Transformer, rows: Sequence[Row], block: int, sampler: Sampler, cache: KVCache
) -> list[list[int]]:
    """Returns `block` drafted tokens for each row, from one forward pass.

    The first one follows the row's last final token; the others are predictions for mask tokens after it.
    """
    hidden = forward_segments(model, [draft_segment(row, block, model.config.mask_id) for row in rows], cache)
    return sample_positions(model, hidden, rows, [0, *range(2, block + 1)], 0, sampler)


def draft_segment(row: Row, block: int, mask_id: int) -> Segment:
    """Returns the input tokens of a row in a drafting pass: its last final token, then `block` mask tokens."""
    end = len(row.text)
    limits = [end - 1, *[end + block - 1] * block]
    return Segment(row.cached, [row.text[-1], *[mask_id] * block], limits)


def sample_positions(
    model: Transformer, hidden: Tensor, rows: Sequence[Row], positions: Sequence[int], skipped: int, sampler: Sampler
) -> list[list[int]]:
    """Returns sampled tokens for several positions of each row in a forward pass.

    They are consecutive output tokens of the row, after `skipped` output tokens that are not final yet. The n-th output
    token of a row always uses the row's n-th random number, so that a draft and its verification agree as often as
    possible.
    """
    sources = [(row, position) for row in range(len(rows)) for position in positions]
    logits = sampler.mask_banned(model.logits(gather_states(hidden, sources)))
    uniforms: list[float] = []
    if sampler.temperature:
        for row in rows:
            first = len(row.text) - len(row.prompt) + skipped
            uniforms += [row.uniform(first + index) for index in range(len(positions))]
    tokens = sampler.sample(logits, uniforms).tolist()
    return [tokens[first : first + len(positions)] for first in range(0, len(tokens), len(positions))]


def push_token(row: Row, token: int, confidence: float = 1.0) -> None:
    """Appends a final token to a row, and marks every token before it as stored in the KV cache."""
    row.push(token, row.forward_passes - 1, len(row.text) - len(row.prompt), confidence)
    row.cached = len(row.text)
    row.text.append(token)


def _keep_running(rows: list[Row], cache: KVCache) -> list[Row]:
    """Returns the rows that have not ended; removes the others from the KV cache."""
    running = [index for index, row in enumerate(rows) if not row.ended]
    if running and len(running) < len(rows):
        cache.keep_rows(running)
    return [rows[index] for index in running]
