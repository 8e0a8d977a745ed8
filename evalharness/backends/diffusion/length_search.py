"""Infilling with an unknown middle length: denoises middles of several lengths, returns the most likely one."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch

from evalharness.backends.diffusion.rows import make_denoising_row
from evalharness.backends.network.loading import Network
from evalharness.backends.network.rows import can_generate, make_completion, run_and_return_out_of_memory_message
from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.forward import forward_rows, gather_hidden_states, make_causal_input
from evalharness.diffusion.rows import Row
from evalharness.records import Completion, Request, Sampling
from evalharness.util.clock import now

if TYPE_CHECKING:
    from evalharness.diffusion.kernels.engine import Engine


def candidate_middle_lengths(max_length: int) -> list[int]:
    """Returns the lengths of an infilled middle, in tokens, that a length search tries.

    The lengths grow geometrically from 1 to `max_length`: four lengths per doubling.
    """
    steps = (round(2 ** (step / 4)) for step in range(4 * max_length.bit_length()))
    return sorted({length for length in steps if length <= max_length} | {max_length})


def infill_with_length_search(
    network: Network,
    request: Request,
    sampling: Sampling,
    denoising: DenoisingSettings,
    with_trace: bool,
    engine: Engine | None = None,
) -> Completion:
    """Infills a middle of each length in `candidate_middle_lengths`; returns the completion with the highest score.

    The score is the mean log-probability of the middle's tokens (`score_middles`). All lengths are denoised in one
    batch; the completion's forward passes and times are those of the whole batch.
    """
    rows = [
        make_denoising_row(network, request, sampling, denoising, length)
        for length in candidate_middle_lengths(sampling.max_new_tokens)
    ]
    active = [row for row in rows if can_generate(row)]
    started_at, start = now(), time.perf_counter()
    if not active:
        return make_completion(network.detokenizer, request, rows[0], started_at, 0, with_trace)
    if error := run_and_return_out_of_memory_message(partial(denoise, network.model, active, denoising, engine)):
        unfinished = next(row for row in active if not row.ended)
        return make_completion(network.detokenizer, request, unfinished, started_at, 0, with_trace, error)
    scores = score_middles(network, active)
    best = active[scores.index(max(scores))]
    best.forward_passes = sum(row.forward_passes for row in active)
    best.first_s = best.ended_s = time.perf_counter() - start
    best.first_tokens = len(best.output)
    return make_completion(network.detokenizer, request, best, started_at, len(active), with_trace)


@torch.inference_mode()
def score_middles(network: Network, rows: Sequence[Row]) -> list[float]:
    """Returns, for each row of a batch, the mean log-probability of the tokens of its infilled middle.

    With causal attention, an additional forward pass computes the probabilities from left to right. The mean then
    includes an end token after the middle; its probability is low if the middle is incomplete.
    With bidirectional attention, each token's probability is that of the forward pass that wrote the token.
    """
    model = network.model
    if model.config.attention != "causal":
        return [sum(map(math.log, row.confidences)) / len(row.confidences) for row in rows]
    hidden = forward_rows(model, [make_causal_input(0, [*row.prompt, *row.output]) for row in rows], None)
    scores = []
    for number, row in enumerate(rows):
        row.forward_passes += 1
        positions = [(number, len(row.prompt) - 1 + offset) for offset in range(len(row.output) + 1)]
        log_probabilities = model.logits(gather_hidden_states(hidden, positions)).float().log_softmax(dim=-1)
        targets = torch.tensor([*row.output, model.config.end_id], device=log_probabilities.device)
        scores.append(float(log_probabilities.gather(1, targets[:, None]).mean()))
    return scores
