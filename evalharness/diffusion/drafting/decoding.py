"""Speculative decoding: the target verifies drafts, for its own text or (below threshold 1) one close to it."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from evalharness.diffusion.decoding import prefill, token_statistics
from evalharness.diffusion.drafting.proposals import Draft, DraftingSettings, DraftProposer
from evalharness.diffusion.drafting.taps import TapRecorder
from evalharness.diffusion.forward import causal_input, forward_rows, gather_states
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler, record_times


@torch.inference_mode()
def draft_and_verify(model: Transformer, rows: Sequence[Row], sampler: Sampler, drafting: DraftingSettings) -> None:
    """Decodes all rows of a batch by speculative decoding, in place, and records each row's drafts.

    At threshold 1 the text is that of `decode_autoregressively`, greedy or sampled, because the row's n-th random
    number chooses its n-th output token, both in drafting and in verification. A row's `forward_passes` counts the
    passes of the target alone.
    """
    if not rows:
        return
    start = time.perf_counter()
    taps = drafting.drafter.config.taps if drafting.drafter else ()
    with TapRecorder(model, taps) if taps else nullcontext() as recorder:
        for row in rows:
            row.text = row.prompt[:-1]
        cache = prefill(model, rows, drafting.max_length + 1, start)
        for row in rows:
            row.text, row.cached = list(row.prompt), len(row.prompt) - 1
        proposer = DraftProposer(drafting, rows, sampler, cache.capacity)
        if recorder is not None and any(row.cached for row in rows):
            proposer.observe_states(recorder.states, [0] * len(rows))
        active = list(rows)
        while active:
            drafts = proposer.propose(active)
            starts = [row.cached for row in active]
            inputs = [
                causal_input(row.cached, [row.text[-1], *draft.tokens])
                for row, draft in zip(active, drafts, strict=True)
            ]
            hidden = forward_rows(model, inputs, cache)
            accepted = verify_drafts(model, hidden, active, drafts, sampler, drafting.threshold)
            if recorder is not None:
                proposer.observe_states(recorder.states, starts)
            proposer.record_verification(active, starts, drafts, accepted)
            record_times(active, start)
            running = [position for position, row in enumerate(active) if not row.ended]
            if running and len(running) < len(active):
                cache.keep_rows(running)
                proposer.keep_rows(running)
            active = [active[position] for position in running]


def verify_drafts(
    model: Transformer,
    hidden: Tensor,
    rows: Sequence[Row],
    drafts: Sequence[Draft],
    sampler: Sampler,
    threshold: float,
    with_confidence: bool = False,
) -> list[int]:
    """Appends the accepted draft tokens and the target's next token to each row; returns how many were accepted.

    `hidden` are the target's hidden states of a forward pass over each row's last token and draft. `threshold` is that
    of `DraftingSettings`. `with_confidence` records the target's probability of each token that it chose.
    """
    sources = [(number, position) for number, draft in enumerate(drafts) for position in range(len(draft.tokens) + 1)]
    logits = sampler.mask_banned(model.logits(gather_states(hidden, sources)))
    uniforms: list[float] = []
    if sampler.temperature:
        for row, draft in zip(rows, drafts, strict=True):
            first = len(row.text) - len(row.prompt)
            uniforms += [row.random_number(first + position) for position in range(len(draft.tokens) + 1)]
    sampled = sampler.sample(logits, uniforms)
    chosen: list[int] = sampled.tolist()
    confidences = [1.0] * len(chosen)
    if with_confidence:
        confidences = token_statistics(logits, sampled, False)[0].tolist()
    close = _accepted_by_threshold(logits, drafts, threshold) if threshold < 1 else [False] * len(sources)
    accepted, at = [], 0
    for row, draft in zip(rows, drafts, strict=True):
        count = 0
        while count < len(draft.tokens) and (draft.tokens[count] == chosen[at + count] or close[at + count]):
            count += 1
        row.forward_passes += 1
        position, pushed = len(row.text) - len(row.prompt), 0
        for index, token in enumerate((*draft.tokens[:count], chosen[at + count])):
            if not row.ended:
                row.append_token(
                    token, row.forward_passes - 1, len(row.text) - len(row.prompt), confidences[at + index]
                )
                row.cached = len(row.text)
                row.text.append(token)
                pushed += 1
        accepted.append(min(count, pushed))
        row.record_draft(position, draft.tokens, accepted[-1], draft.source)
        at += len(draft.tokens) + 1
    return accepted


def _accepted_by_threshold(logits: Tensor, drafts: Sequence[Draft], threshold: float) -> list[bool]:
    """Returns whether each drafted token has at least `threshold` times the probability of the most probable token.

    There is one more entry for each draft, for the position after its last token, which has no meaning.
    """
    tokens = [token for draft in drafts for token in (*draft.tokens, 0)]
    own = logits.gather(1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0]
    close: list[bool] = (own - logits.amax(dim=1) >= math.log(threshold)).tolist()
    return close
