"""How the backend `diffusion` decodes a prompt, and how the length of what fills a gap comes about.

A network that writes from left to right is shown the suffix before the middle, by sentinel tokens. One that sees both
sides fills masks between prefix and suffix; how many there are is the recipe's policy (`records.MiddleLength`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from evalharness.backends.network import Network, attempt, completion, encode, make_row, make_sampler
from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import Denoising
from evalharness.diffusion.forward import causal_segment, forward_segments, gather_states
from evalharness.diffusion.rows import Row
from evalharness.diffusion.rules import find_rule
from evalharness.errors import UserError
from evalharness.records import Completion, Prompt, Request, Sampling
from evalharness.util.clock import now

if TYPE_CHECKING:
    from evalharness.backends.diffusion.backend import Options
    from evalharness.diffusion.kernels.engine import Engine


def check_gap(network: Network, prompt: Prompt) -> None:
    """Raises UserError for a gap that the network cannot fill in this way."""
    if network.model.config.attention == "bidirectional":
        if prompt.middle_length == "free":
            raise UserError(
                f"model {network.name} fills a canvas whose length must be known; use --option recipe=canvas, "
                "length-search or oracle-length"
            )
    elif network.infilling is None:
        raise UserError(
            f"the tokenizer of model {network.name} has no sentinel tokens for infilling; use another model, or "
            "--option recipe=suffix-first"
        )


def decoding_options(network: Network, options: Options) -> dict[str, Any]:
    """Rule, threshold and block, as given or as they come with the model; block 0 is the whole canvas.

    Raises UserError for a block that the model does not leave open, and for settings that the rule does not look at.
    """
    family, block = network.family, network.model.config.block_size
    if options.block and family.aligned and options.block != block:
        raise UserError(f"option block={options.block}: model {network.name} has blocks of {block}; leave it out")
    if options.block and options.block > (room := network.model.config.max_length):
        raise UserError(f"option block={options.block}: model {network.name} has {room} positions; give a smaller one")
    rule = options.rule or family.rule
    options.check_rule(rule)
    return {
        "rule": rule,
        "threshold": family.threshold if options.threshold is None else options.threshold,
        "block": options.block or block,
    }


def denoising(network: Network, options: Options, sampling: Sampling, fixed: bool) -> Denoising:
    """How to denoise; with `fixed` lengths a row never ends by itself."""
    settled = decoding_options(network, options)
    block = settled["block"] or sampling.max_new_tokens
    steps = options.steps or block
    rule = find_rule(
        settled["rule"],
        threshold=settled["threshold"],
        steps=steps,
        block=block,
        bound=options.bound,
        edit_threshold=options.edit,
    )
    ends = network.ends | (network.infilling.ends if network.infilling else frozenset())
    sampler = make_sampler(network, sampling, sorted(ends) if fixed else ())
    family = network.family
    return Denoising(rule, block, sampler, family.aligned, family.sub_block, family.seeded, family.tempered)


def gap_row(network: Network, request: Request, sampling: Sampling, how: Denoising, length: int | None = None) -> Row:
    """The row of a request, whether it has a gap or not; `length` fixes that of the middle, as the oracle does."""
    prompt = request.problem.prompt
    if prompt.oracle is not None and prompt.middle_length == "oracle":
        length = prompt.oracle.length(lambda text: len(network.tokenizer(text, add_special_tokens=False)["input_ids"]))
    limit = sampling.max_new_tokens if length is None else min(length, sampling.max_new_tokens)
    if network.model.config.attention != "bidirectional":
        row = make_row(network, request, sampling, encode(network, prompt), limit)
        row.length = None if length is None else row.watch.limit
        return row
    if prompt.suffix is None:
        row = make_row(network, request, sampling, encode(network, prompt), limit)
        row.canvas = math.ceil(row.watch.limit / how.block) * how.block
        return row
    suffix = list(network.tokenizer(prompt.suffix, add_special_tokens=False)["input_ids"])
    prefix = list(network.tokenizer(prompt.text or "")["input_ids"])
    row = make_row(network, request, sampling, prefix, limit, behind=len(suffix))
    row.suffix, row.canvas = suffix, row.watch.limit
    row.length = None if length is None else row.watch.limit
    return row


def lengths(most: int) -> list[int]:
    """The lengths that a search tries, up to `most`: four to each doubling."""
    steps = (round(2 ** (step / 4)) for step in range(4 * most.bit_length()))
    return sorted({length for length in steps if length <= most} | {most})


def search(
    network: Network, request: Request, sampling: Sampling, how: Denoising, trace: bool, engine: Engine | None = None
) -> Completion:
    """The middle with the highest of `scores`, of all `lengths`.

    All are denoised in one batch, and passes and time are those of all of them.
    """
    rows = [gap_row(network, request, sampling, how, length) for length in lengths(sampling.max_new_tokens)]
    able = [row for row in rows if row.prompt and row.watch.limit]
    started_at, start = now(), time.perf_counter()
    if not able:
        return completion(network.decoder, request, rows[0], started_at, 0, trace)
    if error := attempt(partial(denoise, network.model, able, how, engine)):
        return completion(
            network.decoder, request, next(row for row in able if not row.ended), started_at, 0, trace, error
        )
    found = scores(network, able)
    best = able[found.index(max(found))]
    best.forward_passes = sum(row.forward_passes for row in able)
    best.first_s = best.ended_s = time.perf_counter() - start
    best.first_tokens = len(best.output)
    return completion(network.decoder, request, best, started_at, len(able), trace)


@torch.inference_mode()
def scores(network: Network, rows: Sequence[Row]) -> list[float]:
    """How likely each row's middle is: the mean log-probability of its tokens.

    A network that can read from left to right tells it that way, in a pass more, and of the end token too, since only
    that tells a middle from its beginning. Of others it is the tokens' probability when they were fixed.
    """
    model = network.model
    if model.config.attention != "causal":
        return [sum(map(math.log, row.confidences)) / len(row.confidences) for row in rows]
    hidden = forward_segments(model, [causal_segment(0, [*row.prompt, *row.output]) for row in rows], None)
    found = []
    for number, row in enumerate(rows):
        row.forward_passes += 1
        places = [(number, len(row.prompt) - 1 + place) for place in range(len(row.output) + 1)]
        logs = model.logits(gather_states(hidden, places)).float().log_softmax(dim=-1)
        wanted = torch.tensor([*row.output, model.config.end_id], device=logs.device)
        found.append(float(logs.gather(1, wanted[:, None]).mean()))
    return found
