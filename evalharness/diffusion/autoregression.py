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
    """Decodes a batch of rows (sequences) until each has ended: each forward pass appends one token to each row.

    If `engine` is given and supports the `sampler`, it generates the tokens after prefill; it must have been made for
    the same network. A row's `forward_passes` does not count prefill: the first counted pass is over the prompt's
    last token, and predicts the first output token.
    """
    if not rows:
        return
    if engine is not None and engine.supports(sampler):
        engine_cache, start = engine.allocate_cache(rows, sampler), time.perf_counter()
        _prefill_prompts(model, rows, 0, start, engine_cache)
        engine.decode_autoregressively(rows, append_next_token, start)
        return
    start = time.perf_counter()
    cache = _prefill_prompts(model, rows, 0, start)
    running = list(rows)
    while running:
        hidden = forward_rows(model, [make_causal_input(row.cached, row.text[row.cached :]) for row in running], cache)
        sampled = sample_output_tokens(model, hidden, running, [0], 0, sampler)
        for row, (token,) in zip(running, sampled, strict=True):
            row.forward_passes += 1
            append_next_token(row, token)
        record_output_times(running, start)
        running = _drop_ended_rows(running, cache)


@torch.inference_mode()
def decode_self_speculatively(model: Transformer, rows: Sequence[Row], draft_length: int, sampler: Sampler) -> None:
    """Generates the same text as `decode_autoregressively` in fewer forward passes, by self-speculative decoding.

    The network drafts and verifies in alternating passes. A drafting pass has the row's last token and mask tokens as
    input, and predicts `draft_length` tokens. The first one is an ordinary next-token prediction, and is accepted
    without verification. A verifying pass has the drafted tokens as input, and replaces the first rejected token by its
    own prediction. At a temperature above 0, both passes sample an output token with the same random number. Source:
    LinearSpec of Nemotron-Labs Diffusion (SGLang), whose network is trained for both kinds of passes.
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
                    append_next_token(row, token)
        record_output_times(running, start)
        running = _drop_ended_rows(running, cache)


def _prefill_prompts(
    model: Transformer, rows: Sequence[Row], draft_length: int, start_time: float, cache: KVCache | None = None
) -> KVCache:
    """Stores each row's prompt without its last token in a KV cache; returns the cache.

    The last token is the input of the first decoding pass, which predicts the first output token. The cache is `cache`
    if given, else a new one with room for the prompts, the outputs and drafts of `draft_length` tokens. Each row's
    `prefill_s` becomes the seconds since `start_time`, a `time.perf_counter()`.
    """
    for row in rows:
        row.text = row.prompt[:-1]
    cache = prefill(model, rows, draft_length, start_time, cache)
    for row in rows:
        row.text, row.cached = list(row.prompt), len(row.prompt) - 1
    return cache


def _draft_tokens(
    model: Transformer, rows: Sequence[Row], draft_length: int, sampler: Sampler, cache: KVCache
) -> list[list[int]]:
    """Returns `draft_length` drafted tokens for each row, all predicted in one forward pass.

    The input of a row is its last token, which predicts the first drafted token, and mask tokens: each further token is
    predicted at its own mask.
    """
    hidden = forward_rows(model, [make_drafting_input(row, draft_length, model.config.mask_id) for row in rows], cache)
    return sample_output_tokens(model, hidden, rows, [0, *range(2, draft_length + 1)], 0, sampler)


def make_drafting_input(row: Row, draft_length: int, mask_id: int) -> RowInput:
    """Returns a row's input to a drafting pass: its last token, then `draft_length` mask tokens (id `mask_id`)."""
    end = len(row.text)
    limits = [end - 1, *[end + draft_length - 1] * draft_length]
    return RowInput(row.cached, [row.text[-1], *[mask_id] * draft_length], limits)


def sample_output_tokens(
    model: Transformer,
    hidden: Tensor,
    rows: Sequence[Row],
    input_indices: Sequence[int],
    pending_draft_tokens: int,
    sampler: Sampler,
) -> list[list[int]]:
    """Samples a token at each of the `input_indices` of each row's input; returns the sampled tokens of each row.

    `hidden` [rows, T, hidden] are the hidden states of the forward pass that predicts the tokens. The sampled tokens
    are consecutive tokens of the row's output. `pending_draft_tokens` is the number of drafted tokens that come before
    them and are not yet appended to the row. The n-th output token of a row is always sampled with the row's n-th
    random number. Drafting and verification therefore choose the same token as often as possible.
    """
    sources = [(row, index) for row in range(len(rows)) for index in input_indices]
    logits = sampler.suppress_banned_tokens(model.logits(gather_hidden_states(hidden, sources)))
    uniforms: list[float] = []
    if sampler.temperature:
        for row in rows:
            first = len(row.text) - len(row.prompt) + pending_draft_tokens
            uniforms += [row.random_number(first + index) for index in range(len(input_indices))]
    tokens = sampler.sample(logits, uniforms).tolist()
    return [tokens[first : first + len(input_indices)] for first in range(0, len(tokens), len(input_indices))]


def append_next_token(row: Row, token: int, confidence: float = 1.0) -> None:
    """Appends the next output token, which no later pass changes, to a row; `confidence` is its probability.

    It also sets `row.cached`: the KV cache holds all tokens before this one.
    """
    row.append_token(token, row.forward_passes - 1, len(row.text) - len(row.prompt), confidence)
    row.cached = len(row.text)
    row.text.append(token)


def _drop_ended_rows(rows: list[Row], cache: KVCache) -> list[Row]:
    """Returns the rows that have not ended; removes the ended rows from the KV cache."""
    running = [index for index, row in enumerate(rows) if not row.ended]
    if running and len(running) < len(rows):
        cache.keep_rows(running)
    return [rows[index] for index in running]
