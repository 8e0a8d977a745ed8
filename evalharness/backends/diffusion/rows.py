"""Prepares prompts for the backend `diffusion`: decoding settings, and rows (one row is one sequence of a batch).

For infilling, a network with causal attention reads the suffix before the middle, by sentinel tokens. A bidirectional
network denoises masks between prefix and suffix; `records.MiddleLength` determines their number.
"""

from __future__ import annotations

import math
from typing import TypedDict

from evalharness.backends.diffusion.options import DiffusionOptions
from evalharness.backends.network.loading import Network
from evalharness.backends.network.rows import make_row, make_sampler, tokenize_prompt
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.rows import Row
from evalharness.diffusion.rules import find_rule
from evalharness.errors import UserError
from evalharness.generation.encoding import encode_text
from evalharness.records import Prompt, Request, Sampling


class DecodingSettings(TypedDict):
    """Decoding settings, as recorded in the manifest, that depend on both the options and the model."""

    rule: str
    threshold: float
    block: int
    """Tokens per block; 0 for the whole canvas."""


def check_infilling_prompt(network: Network, prompt: Prompt) -> None:
    """Raises UserError for an infilling prompt that the network cannot infill."""
    if network.model.config.attention == "bidirectional":
        if prompt.middle_length == "free":
            raise UserError(
                f"model {network.name} infills a canvas of masks whose length must be known in advance; use --option "
                "recipe=canvas, recipe=length-search or recipe=oracle-length"
            )
    elif network.infilling is None:
        raise UserError(
            f"the tokenizer of model {network.name} lacks the FIM sentinel tokens that infilling needs; give --model a "
            "model that was trained to infill, or use --option recipe=suffix-first"
        )


def resolve_decoding_settings(network: Network, options: DiffusionOptions) -> DecodingSettings:
    """Returns decoding rule, threshold and block size: the options' values, or the model's defaults for unset ones.

    Raises UserError for a block size that the model does not support, and for options that the rule does not use.
    """
    family, block = network.family, network.model.config.block_size
    if options.block and family.aligned and options.block != block:
        raise UserError(
            f"option block={options.block}: model {network.name} only supports blocks of {block} tokens; leave the "
            "option out"
        )
    if options.block and options.block > (positions := network.model.config.max_length):
        raise UserError(
            f"option block={options.block}: model {network.name} has a context of {positions} tokens; give a smaller "
            "block"
        )
    rule = options.rule or family.rule
    options.check_options_of_rule(rule)
    return {
        "rule": rule,
        "threshold": family.threshold if options.threshold is None else options.threshold,
        "block": options.block or block,
    }


def make_denoising_settings(
    network: Network, options: DiffusionOptions, sampling: Sampling, fixed_length: bool
) -> DenoisingSettings:
    """Returns the block diffusion settings of a run.

    With `fixed_length` the sampler never chooses an end token, so that each infilled middle has exactly the given
    length.
    """
    resolved = resolve_decoding_settings(network, options)
    block = resolved["block"] or sampling.max_new_tokens
    steps = options.steps or block
    rule = find_rule(
        resolved["rule"],
        threshold=resolved["threshold"],
        steps=steps,
        block_length=block,
        bound=options.bound,
        edit_threshold=options.edit,
    )
    end_tokens = network.end_tokens | (network.infilling.end_tokens if network.infilling else frozenset())
    sampler = make_sampler(network, sampling, sorted(end_tokens) if fixed_length else ())
    family = network.family
    return DenoisingSettings(
        rule,
        block,
        sampler,
        family.aligned,
        family.sub_block,
        family.first_token_alone,
        family.rule_sees_temperature,
        hold_end=options.hold_end,
        held_end_tokens=tuple(sorted(end_tokens)),
    )


def make_denoising_row(
    network: Network,
    request: Request,
    sampling: Sampling,
    denoising: DenoisingSettings,
    middle_token_count: int | None = None,
) -> Row:
    """Returns a request as a row of a batch for block diffusion.

    For infilling, `middle_token_count` is the number of tokens of the middle. A recipe with `middle: oracle` overrides
    it with the reference's length; None lets the row end at an end token.
    """
    prompt = request.problem.prompt
    if prompt.oracle is not None and prompt.middle_length == "oracle":
        middle_token_count = prompt.oracle.length(
            lambda text: len(network.tokenizer(text, add_special_tokens=False)["input_ids"])
        )
    limit = sampling.max_new_tokens if middle_token_count is None else min(middle_token_count, sampling.max_new_tokens)
    if network.model.config.attention != "bidirectional":
        row = make_row(network, request, sampling, tokenize_prompt(network, prompt), limit)
        row.length = None if middle_token_count is None else row.stop_checker.limit
        return row
    if prompt.suffix is None:
        row = make_row(network, request, sampling, tokenize_prompt(network, prompt), limit)
        row.canvas = math.ceil(row.stop_checker.limit / denoising.block) * denoising.block
        return row
    suffix = list(network.tokenizer(prompt.suffix, add_special_tokens=False)["input_ids"])
    prefix = encode_text(network.tokenizer, prompt.text or "")
    row = make_row(network, request, sampling, prefix, limit, reserved_positions=len(suffix))
    row.suffix, row.canvas = suffix, row.stop_checker.limit
    row.length = None if middle_token_count is None else row.stop_checker.limit
    return row
