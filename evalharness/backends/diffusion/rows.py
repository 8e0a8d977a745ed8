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
    """The decoding rule, threshold and block size of a run, from the options or the model's defaults."""

    rule: str
    threshold: float
    block: int
    """Tokens per block; 0 for the whole canvas."""


def check_infilling_prompt(network: Network, prompt: Prompt) -> None:
    """Raises UserError if the network cannot complete the infilling prompt `prompt`."""
    if network.model.config.attention == "bidirectional":
        if prompt.middle_length == "free":
            raise UserError(
                f"model {network.name} replaces mask tokens, so the length of the infilled middle must be set in "
                "advance; use --option recipe=canvas, recipe=length-search or recipe=oracle-length"
            )
    elif network.infilling is None:
        raise UserError(
            f"the tokenizer of model {network.name} lacks the FIM sentinel tokens that infilling needs; give --model a "
            "model that was trained to infill, or use --option recipe=suffix-first"
        )


def resolve_decoding_settings(network: Network, options: DiffusionOptions) -> DecodingSettings:
    """Returns the decoding rule, threshold and block size: the options' values, or the model's defaults.

    Raises UserError for a block size that the model does not support, and for options that the rule does not use.
    """
    family, block = network.family, network.model.config.block_size
    if options.block and family.aligned and options.block != block:
        raise UserError(
            f"option block={options.block}: model {network.name} supports only blocks of {block} tokens; leave the "
            "option out"
        )
    if options.block and options.block > (positions := network.model.config.max_length):
        raise UserError(
            f"option block={options.block}: model {network.name} has a context of {positions} tokens; give a smaller "
            "block size"
        )
    rule = options.rule or family.rule
    options.refuse_options_unused_by_rule(rule)
    return {
        "rule": rule,
        "threshold": family.threshold if options.threshold is None else options.threshold,
        "block": options.block or block,
    }


def make_denoising_settings(
    network: Network, options: DiffusionOptions, sampling: Sampling, has_fixed_middle_length: bool
) -> DenoisingSettings:
    """Returns the settings of block diffusion for a run, from its options and the model's defaults.

    `has_fixed_middle_length`: whether the recipe fixes the length of the infilled middle, so that the sampler must
    never choose an end token.
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
    sampler = make_sampler(network, sampling, sorted(end_tokens) if has_fixed_middle_length else ())
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
    """Returns the row (one sequence of a batch) in which block diffusion generates the output for a request.

    `middle_token_count`: number of tokens of the infilled middle; None: the row ends at an end token. If the recipe
    sets `middle: oracle`, the token count of the official solution's middle is used instead.
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
    row = make_row(network, request, sampling, prefix, limit, suffix_length=len(suffix))
    row.suffix, row.canvas = suffix, row.stop_checker.limit
    row.length = None if middle_token_count is None else row.stop_checker.limit
    return row
