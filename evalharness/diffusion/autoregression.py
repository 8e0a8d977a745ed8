"""Autoregressive decoding, and self-speculative decoding: the network drafts by diffusion and verifies itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.decoding import prefill
from evalharness.diffusion.denoising import DecodingEngine
from evalharness.diffusion.forward import RowInput, causal_input, forward_rows, gather_states
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler, record_times


@torch.inference_mode()
def decode_autoregressively(
    model: Transformer, rows: Sequence[Row], sampler: Sampler, engine: DecodingEngine | None = None
) -> None:
    """Decodes all rows (sequences) of a batch in place until each has ended, one token per forward pass.

    After prefill, `engine` generates the tokens if it is given and supports the `sampler`; it must belong to the same
    network. `Row.forward_passes` counts passes from the one over the prompt's last token, which predicts the first
    output token.
    """
    if not rows:
        return
    if engine is not None and engine.supports(sampler):
        engine_cache, start = engine.allocate_cache(rows, sampler), time.perf_counter()
        _prefill_prompts(model, rows, 0, start, engine_cache)
        engine.decode_autoregressively(rows, append_final_token, start)
        return
    start = time.perf_counter()
    cache = _prefill_prompts(model, rows, 0, start)
    running = list(rows)
    while running:
        hidden = forward_rows(model, [causal_input(row.cached, row.text[row.cached :]) for row in running], cache)
        sampled = sample_output_tokens(model, hidden, running, [0], 0, sampler)
        for row, (token,) in zip(running, sampled, strict=True):
            row.forward_passes += 1
            append_final_token(row, token)
        record_times(running, start)
        running = _drop_ended_rows(running, cache)


@torch.inference_mode()
def decode_self_speculatively(model: Transformer, rows: Sequence[Row], block: int, sampler: Sampler) -> None:
    """Decodes the text of `decode_autoregressively` in fewer passes: one pass drafts `block` tokens, the next verifies.

    The input of a drafting pass is the row's last final token (no later pass changes a final token) and mask tokens.
    The first drafted token is therefore an ordinary next-token prediction, which is accepted without verification. The
    verifying pass replaces the first rejected token by its own prediction. At a temperature above 0, both passes use
    the same random numbers. Source: self-speculation of a jointly trained network, as in LinearSpec of Nemotron-Labs
    Diffusion (SGLang).
    """
    if not rows:
        return
    start = time.perf_counter()
    cache = _prefill_prompts(model, rows, block, start)
    running = list(rows)
    while running:
        drafts = _draft_tokens(model, running, block, sampler, cache)
        inputs = [causal_input(len(row.text), draft) for row, draft in zip(running, drafts, strict=True)]
        hidden = forward_rows(model, inputs, cache)
        verified = sample_output_tokens(model, hidden, running, range(block), 1, sampler)
        for row, draft, following in zip(running, drafts, verified, strict=True):
            row.forward_passes += 2
            accepted = next(
                (position for position in range(1, block) if draft[position] != following[position - 1]), block
            )
            row.record_draft(len(row.text) - len(row.prompt), draft, accepted, "self")
            for token in (*draft[:accepted], following[accepted - 1]):
                if not row.ended:
                    append_final_token(row, token)
        record_times(running, start)
        running = _drop_ended_rows(running, cache)


def _prefill_prompts(
    model: Transformer, rows: Sequence[Row], block: int, start: float, cache: KVCache | None = None
) -> KVCache:
    """Prefills each row's prompt without its last token, whose forward pass predicts the first output token.

    Returns the KV cache: `cache` if given, else a new one with room for `block` more tokens. The time since `start` (a
    `time.perf_counter()`) is recorded in each row as its prefill time.
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

    The first one is predicted by the row's last final token, the others by mask tokens after it.
    """
    hidden = forward_rows(model, [drafting_input(row, block, model.config.mask_id) for row in rows], cache)
    return sample_output_tokens(model, hidden, rows, [0, *range(2, block + 1)], 0, sampler)


def drafting_input(row: Row, block: int, mask_id: int) -> RowInput:
    """Returns the input tokens of a row in a drafting pass: its last final token, then `block` mask tokens."""
    end = len(row.text)
    limits = [end - 1, *[end + block - 1] * block]
    return RowInput(row.cached, [row.text[-1], *[mask_id] * block], limits)


def sample_output_tokens(
    model: Transformer,
    hidden: Tensor,
    rows: Sequence[Row],
    positions: Sequence[int],
    skipped_drafts: int,
    sampler: Sampler,
) -> list[list[int]]:
    """Returns, for each row, the tokens sampled at the given `positions` of its input to a forward pass.

    They are consecutive output tokens of the row, after its final tokens and `skipped_drafts` drafted ones. The n-th
    output token of a row always uses the row's n-th random number, in drafting and in verification, so that both choose
    the same token as often as possible.
    """
    sources = [(row, position) for row in range(len(rows)) for position in positions]
    logits = sampler.mask_banned(model.logits(gather_states(hidden, sources)))
    uniforms: list[float] = []
    if sampler.temperature:
        for row in rows:
            first = len(row.text) - len(row.prompt) + skipped_drafts
            uniforms += [row.random_number(first + index) for index in range(len(positions))]
    tokens = sampler.sample(logits, uniforms).tolist()
    return [tokens[first : first + len(positions)] for first in range(0, len(tokens), len(positions))]


def append_final_token(row: Row, token: int, confidence: float = 1.0) -> None:
    """Appends a final token to a row, and marks every token before it as stored in the KV cache."""
    row.append_token(token, row.forward_passes - 1, len(row.text) - len(row.prompt), confidence)
    row.cached = len(row.text)
    row.text.append(token)


def _drop_ended_rows(rows: list[Row], cache: KVCache) -> list[Row]:
    """Returns the rows that have not ended; removes the ended rows from the KV cache."""
    running = [index for index, row in enumerate(rows) if not row.ended]
    if running and len(running) < len(rows):
        cache.keep_rows(running)
    return [rows[index] for index in running]
