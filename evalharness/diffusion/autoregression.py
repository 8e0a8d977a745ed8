"""Autoregressive decoding, and self-speculative decoding: the network drafts by diffusion and verifies itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.decoding import prefill
from evalharness.diffusion.denoising import DecodingEngine
from evalharness.diffusion.forward import RowInput, forward_rows, gather_hidden_states, make_causal_input
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler, record_output_times


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
        hidden = forward_rows(model, [make_causal_input(row.cached, row.text[row.cached :]) for row in running], cache)
        sampled = sample_output_tokens(model, hidden, running, [0], 0, sampler)
        for row, (token,) in zip(running, sampled, strict=True):
            row.forward_passes += 1
            append_final_token(row, token)
        record_output_times(running, start)
        running = _drop_ended_rows(running, cache)


@torch.inference_mode()
def decode_self_speculatively(model: Transformer, rows: Sequence[Row], draft_length: int, sampler: Sampler) -> None:
    """Decodes the text of `decode_autoregressively` in fewer forward passes: one drafts tokens, the next verifies them.

    A drafting pass drafts `draft_length` tokens.
    The input of a drafting pass is the row's last final token (no later pass changes a final token) and mask tokens.
    The first drafted token is therefore an ordinary next-token prediction, which is accepted without verification. The
    verifying pass replaces the first rejected token by its own prediction. At a temperature above 0, both passes use
    the same random numbers. Source: self-speculation of a jointly trained network, as in LinearSpec of Nemotron-Labs
    Diffusion (SGLang).
    """
    if not rows:
        return
    start = time.perf_counter()
    cache = _prefill_prompts(model, rows, draft_length, start)
    running = list(rows)
    while running:
        drafts = _draft_tokens(model, running, draft_length, sampler, cache)
        inputs = [make_causal_input(len(row.text), draft) for row, draft in zip(running, drafts, strict=True)]
        hidden = forward_rows(model, inputs, cache)
        verified = sample_output_tokens(model, hidden, running, range(draft_length), 1, sampler)
        for row, draft, following in zip(running, drafts, verified, strict=True):
            row.forward_passes += 2
            accepted = next(
                (position for position in range(1, draft_length) if draft[position] != following[position - 1]),
                draft_length,
            )
            row.record_draft(len(row.text) - len(row.prompt), draft, accepted, "self")
            for token in (*draft[:accepted], following[accepted - 1]):
                if not row.ended:
                    append_final_token(row, token)
        record_output_times(running, start)
        running = _drop_ended_rows(running, cache)


def _prefill_prompts(
    model: Transformer, rows: Sequence[Row], block_length: int, start_time: float, cache: KVCache | None = None
) -> KVCache:
    """Prefills each row's prompt without its last token, whose forward pass predicts the first output token.

    Returns the KV cache: `cache` if given, else a new one with room for `block_length` more tokens. The time since
    `start_time` (a `time.perf_counter()`) is recorded in each row as its prefill time.
    """
    for row in rows:
        row.text = row.prompt[:-1]
    cache = prefill(model, rows, block_length, start_time, cache)
    for row in rows:
        row.text, row.cached = list(row.prompt), len(row.prompt) - 1
    return cache


def _draft_tokens(
    model: Transformer, rows: Sequence[Row], draft_length: int, sampler: Sampler, cache: KVCache
) -> list[list[int]]:
    """Returns `draft_length` drafted tokens for each row, from one forward pass.

    The first one is predicted by the row's last final token, the others by mask tokens after it.
    """
    hidden = forward_rows(model, [make_drafting_input(row, draft_length, model.config.mask_id) for row in rows], cache)
    return sample_output_tokens(model, hidden, rows, [0, *range(2, draft_length + 1)], 0, sampler)


def make_drafting_input(row: Row, draft_length: int, mask_id: int) -> RowInput:
    """Returns the input tokens of a row in a drafting pass: its last final token, then `draft_length` mask tokens."""
    end = len(row.text)
    limits = [end - 1, *[end + draft_length - 1] * draft_length]
    return RowInput(row.cached, [row.text[-1], *[mask_id] * draft_length], limits)


def sample_output_tokens(
    model: Transformer,
    hidden: Tensor,
    rows: Sequence[Row],
    input_positions: Sequence[int],
    skipped_draft_tokens: int,
    sampler: Sampler,
) -> list[list[int]]:
    """Returns, for each row, the tokens sampled at the given `input_positions` of its input to a forward pass.

    They are consecutive output tokens of the row, after its final tokens and `skipped_draft_tokens` drafted ones. The
    n-th output token of a row always uses the row's n-th random number, in drafting and in verification, so that both
    choose the same token as often as possible.
    """
    sources = [(row, position) for row in range(len(rows)) for position in input_positions]
    logits = sampler.mask_banned(model.logits(gather_hidden_states(hidden, sources)))
    uniforms: list[float] = []
    if sampler.temperature:
        for row in rows:
            first = len(row.text) - len(row.prompt) + skipped_draft_tokens
            uniforms += [row.random_number(first + index) for index in range(len(input_positions))]
    tokens = sampler.sample(logits, uniforms).tolist()
    return [tokens[first : first + len(input_positions)] for first in range(0, len(tokens), len(input_positions))]


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
