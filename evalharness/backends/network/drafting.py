"""Drafting for a loaded network: finds the drafter, decodes rows with it, and describes it for the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness.backends.network.loading import Network
from evalharness.diffusion.drafting.checkpoint import load_drafter, target_fingerprint
from evalharness.diffusion.drafting.config import read_drafter_config
from evalharness.diffusion.drafting.costs import cost_curve
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.drafting.proposals import Drafting
from evalharness.errors import UserError
from evalharness.util.paths import BUNDLED_NETWORK

BUNDLED_DRAFTERS = BUNDLED_NETWORK / "drafters"
"""One folder per bundled drafter."""
LONGEST = 7
"""Tokens of the longest draft that lookup makes."""


def open_drafter(network: Network, path: str | None) -> Drafter:
    """Returns the drafter in a folder; without one, the bundled drafter of this network.

    Raises UserError if the folder has no drafter of the network's sizes, or no drafter for the network is bundled.
    """
    if path is not None:
        return load_drafter(Path(path).expanduser(), network.model)
    fingerprint = target_fingerprint(network.model)
    for config in sorted(BUNDLED_DRAFTERS.glob("*/config.json")):
        if read_drafter_config(config.parent).target_sha256 == fingerprint:
            return load_drafter(config.parent, network.model)
    raise UserError(
        f"model {network.name} is not a diffusion model; use --backend ar, with --option draft=lookup to speed it up. "
        "There is no bundled drafter for it: give one with --option drafter=DIR, or train one with `evalharness train "
        "--config evalharness/training/recipes/drafter-qwen2.5-coder-0.5b.yaml`"
    )


def lookup_drafting(network: Network) -> Drafting:
    """Returns drafting by lookup in prompt and answer, which needs no drafter."""
    return Drafting(lookup=True, longest=LONGEST, costs=cost_curve(network.model, None))


def hybrid_drafting(
    network: Network, drafter: Drafter, threshold: float, lookup: bool, longest: int | None
) -> Drafting:
    """Returns drafting by lookup where it finds a match, and by the drafter elsewhere; `lookup` False: always by it."""
    block = drafter.config.block
    return Drafting(drafter, lookup, min(longest or block, block), threshold, costs=cost_curve(network.model, drafter))


def describe_drafter(network: Network, drafter: Drafter) -> Mapping[str, Any]:
    """Returns what the manifest records of a drafter.

    `target_matches` is False for a network that differs from the one that the drafter was trained for: the text is the
    same, but fewer drafts are accepted.
    """
    config = drafter.config
    return {
        "drafter_target": config.target,
        "drafter_layers": config.network.layers,
        "drafter_block": config.block,
        "drafter_vocabulary": config.network.vocab_size,
        "drafter_parameters": sum(parameter.numel() for parameter in drafter.parameters()),
        "target_matches": config.target_sha256 == target_fingerprint(network.model),
    }
