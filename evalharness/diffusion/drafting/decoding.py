"""Speculative decoding: the target network verifies drafted tokens.

At threshold 1 the text is the one that the target generates without drafts; at a lower threshold it may differ.
"""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.decoding import compute_token_statistics, prefill
from evalharness.diffusion.drafting.proposals import Draft, DraftingSettings, DraftProposer
from evalharness.diffusion.drafting.taps import HiddenStateRecorder
from evalharness.diffusion.forward import forward_rows, gather_hidden_states, make_causal_input
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler, record_output_times


class SpeculativeDecodingEngine(Protocol):
    """The interface of a faster speculative decoder, such as the fused kernels: it decodes a batch after prefill."""

    def supports(self, sampler: Sampler) -> bool:
        """Returns whether the engine can decode with this sampler."""

    def allocate_cache(self, rows: Sequence[Row], sampler: Sampler, drafting: DraftingSettings) -> KVCache:
        """Returns an empty KV cache for these rows; the caller must prefill it before the engine decodes them."""

    def draft_and_verify(
        self, rows: Sequence[Row], drafting: DraftingSettings, target_states: Tensor | None, start_time: float
    ) -> None:
        """Decodes the rows by speculative decoding until each has ended; appends the tokens to the rows.

        The KV cache of `allocate_cache` must hold all tokens of each row except the last. `target_states`
        [rows, T, taps * hidden] are the target's hidden states of these tokens, which a drafter needs; None without a
        drafter, or if there are no such tokens. Times of the rows are counted from `start_time`, a
        `time.perf_counter()`.
        """


@torch.inference_mode()
def draft_and_verify(
    model: Transformer,
    rows: Sequence[Row],
    sampler: Sampler,
    drafting: DraftingSettings,
    engine: SpeculativeDecodingEngine | None = None,
) -> None:
    """Decodes a batch of rows (sequences) by speculative decoding until each has ended.

    It prefills the prompts into a new KV cache, and appends output tokens and verified drafts to the rows. `model` is
    the target; `drafting` says where drafts come from. With an acceptance threshold of 1, the text is that of
    `decode_autoregressively`, greedy or sampled: the row's n-th random number samples its n-th output token, both in
    drafting and in verification. A row's `forward_passes` counts the target's passes only. If `engine` is given and
    supports the sampler, it decodes after prefill; it must have been made for the same target and drafter.
    """
    if not rows:
        return
    if engine is not None and not engine.supports(sampler):
        engine = None
    # An engine prepares its session once for many batches; that time is not part of this batch's latency.
    engine_cache = engine.allocate_cache(rows, sampler, drafting) if engine else None
    start = time.perf_counter()
    taps = drafting.drafter.config.taps if drafting.drafter else ()
    with HiddenStateRecorder(model, taps) if taps else nullcontext() as recorder:
        for row in rows:
            row.text = row.prompt[:-1]
        cache = prefill(model, rows, drafting.max_length + 1, start, engine_cache)
        for row in rows:
            row.text, row.cached = list(row.prompt), len(row.prompt) - 1
        prefilled = recorder.states if recorder is not None and any(row.cached for row in rows) else None
        if engine is not None:
            engine.draft_and_verify(rows, drafting, prefilled, start)
            return
        proposer = DraftProposer(drafting, rows, sampler, cache.capacity)
        if prefilled is not None:
            proposer.extend_drafter_context(prefilled, [0] * len(rows))
        active = list(rows)
        while active:
            drafts = proposer.propose(active)
            starts = [row.cached for row in active]
            inputs = [
                make_causal_input(row.cached, [row.text[-1], *draft.tokens])
                for row, draft in zip(active, drafts, strict=True)
            ]
            hidden = forward_rows(model, inputs, cache)
            accepted = verify_and_append_drafts(model, hidden, active, drafts, sampler, drafting.threshold)
            if recorder is not None:
                proposer.extend_drafter_context(recorder.states, starts)
            proposer.record_verification(active, starts, drafts, accepted)
            record_output_times(active, start)
            running = [position for position, row in enumerate(active) if not row.ended]
            if running and len(running) < len(active):
                cache.keep_rows(running)
                proposer.keep_rows(running)
            active = [active[position] for position in running]


def verify_and_append_drafts(
    model: Transformer,
    hidden: Tensor,
    rows: Sequence[Row],
    drafts: Sequence[Draft],
    sampler: Sampler,
    acceptance_threshold: float,
    with_confidence: bool = False,
) -> list[int]:
    """Appends to each row the draft tokens that the target accepts, then the target's own next token.

    `hidden` [rows, T, hidden] are the target's hidden states of a forward pass over each row's last token and draft.
    `acceptance_threshold` is `DraftingSettings.threshold`. If `with_confidence` is true, the rows also record the
    target's probability of each token that it chose. Returns the number of accepted draft tokens of each row.
    """
    sources = [(number, position) for number, draft in enumerate(drafts) for position in range(len(draft.tokens) + 1)]
    logits = sampler.suppress_banned_tokens(model.logits(gather_hidden_states(hidden, sources)))
    uniforms: list[float] = []
    if sampler.temperature:
        for row, draft in zip(rows, drafts, strict=True):
            first = len(row.text) - len(row.prompt)
            uniforms += [row.random_number(first + position) for position in range(len(draft.tokens) + 1)]
    sampled = sampler.sample(logits, uniforms)
    chosen: list[int] = sampled.tolist()
    confidences = [1.0] * len(chosen)
    if with_confidence:
        confidences = compute_token_statistics(logits, sampled, False).probability.tolist()
    close = (
        _flag_tokens_above_threshold(logits, drafts, acceptance_threshold)
        if acceptance_threshold < 1
        else [False] * len(sources)
    )
    accepted, at = [], 0
    for row, draft in zip(rows, drafts, strict=True):
        count = 0
        while count < len(draft.tokens) and (draft.tokens[count] == chosen[at + count] or close[at + count]):
            count += 1
        tokens = [*draft.tokens[:count], chosen[at + count]]
        accepted.append(append_verified_tokens(row, draft, tokens, confidences[at : at + count + 1]))
        at += len(draft.tokens) + 1
    return accepted


def append_verified_tokens(
    row: Row, draft: Draft, verified_tokens: Sequence[int], confidences: Sequence[float] | None = None
) -> int:
    """Appends to a row the tokens that a verifying forward pass gave; returns the number of draft tokens among them.

    It stops when the row ends, and also records the pass and its draft in the row. `verified_tokens` are the accepted
    tokens of the `draft`, then the target's own next token. `confidences` are the target's probabilities of these
    tokens, 1 by default.
    """
    row.forward_passes += 1
    position, pushed = len(row.text) - len(row.prompt), 0
    for token, confidence in zip(verified_tokens, confidences or [1.0] * len(verified_tokens), strict=True):
        if not row.ended:
            row.append_token(token, row.forward_passes - 1, len(row.text) - len(row.prompt), confidence)
            row.cached = len(row.text)
            row.text.append(token)
            pushed += 1
    accepted = min(len(verified_tokens) - 1, pushed)
    row.record_draft(position, draft.tokens, accepted, draft.source)
    return accepted


def _flag_tokens_above_threshold(logits: Tensor, drafts: Sequence[Draft], acceptance_threshold: float) -> list[bool]:
    """Returns, for each draft token, whether it is at least `acceptance_threshold` times as probable as the top token.

    `logits` [N, V] are the target's predictions of all draft tokens and of the token after each draft; the entries of
    the result for the latter have no meaning.
    """
    tokens = [token for draft in drafts for token in (*draft.tokens, 0)]
    own = logits.gather(1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0]
    least = math.log(acceptance_threshold) if acceptance_threshold else -math.inf
    close: list[bool] = (own - logits.amax(dim=1) >= least).tolist()
    return close
