"""Speculative decoding of a loaded network: finds the drafter, configures drafting, describes it in the manifest."""

from __future__ import annotations

import logging
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

_log = logging.getLogger(__name__)
BUNDLED_DRAFTERS = BUNDLED_NETWORK / "drafters"
"""Folder with one folder per bundled drafter."""
LONGEST = 7
"""Tokens of the longest draft by prompt lookup."""


def open_drafter(network: Network, path: str | None) -> Drafter:
    """Returns the drafter in folder `path`, packed; without one, the bundled drafter trained for this network.

    Raises UserError if the folder has no drafter with the network's sizes, or no drafter for the network is bundled.
    """
    folder = Path(path).expanduser() if path is not None else _bundled_folder(network)
    if folder is not None:
        drafter = load_drafter(folder, network.model)
        drafter.pack()
        return drafter
    raise UserError(
        f"model {network.name} is not a diffusion model; use --backend ar, with --option draft=lookup to speed it up. "
        "There is no bundled drafter for it: give one with --option drafter=DIR, or train one with `evalharness train "
        "--config evalharness/training/recipes/drafter-qwen2.5-coder-0.5b.yaml`"
    )


def open_drafter_or_lookup(network: Network, path: str | None, lookup: bool) -> Drafter | None:
    """Returns the drafter as `open_drafter` does. If none is bundled, drafts come from lookup alone, which is logged.

    Raises UserError as `open_drafter` does, without a bundled drafter only if the user excluded `lookup`.
    """
    if path is not None or not lookup or _bundled_folder(network) is not None:
        return open_drafter(network, path)
    _log.warning(
        "model %s has no bundled drafter: drafts come from lookup in prompt and answer alone; --option drafter=DIR "
        "names a drafter that `evalharness train` wrote",
        network.name,
    )
    return None


def _bundled_folder(network: Network) -> Path | None:
    """Returns the folder of the bundled drafter of this network; None if there is none."""
    configs = sorted(BUNDLED_DRAFTERS.glob("*/config.json"))
    if not configs:
        return None
    fingerprint = target_fingerprint(network.model)
    matches = [path.parent for path in configs if read_drafter_config(path.parent).target_sha256 == fingerprint]
    return matches[0] if matches else None


def lookup_drafting(network: Network) -> Drafting:
    """Returns the settings for speculative decoding by prompt lookup (n-gram matches), which needs no drafter."""
    return Drafting(lookup=True, longest=LONGEST, costs=cost_curve(network.model, None))


def hybrid_drafting(
    network: Network, drafter: Drafter | None, threshold: float, lookup: bool, longest: int | None
) -> Drafting:
    """Returns the settings for drafting by prompt lookup if it finds a match, else by the drafter network.

    `lookup` False: always by the drafter; without a drafter always by lookup. `longest` limits the tokens of a draft.
    """
    block = drafter.config.block if drafter else LONGEST
    return Drafting(drafter, lookup, min(longest or block, block), threshold, costs=cost_curve(network.model, drafter))


def describe_drafter(network: Network, drafter: Drafter | None) -> Mapping[str, Any]:
    """Returns the manifest's entry on a drafter; only that there is none if drafts come from prompt lookup alone.

    `target_matches` is False for a network that differs from the one that the drafter was trained for: the output
    is the same, but fewer drafts are accepted.
    """
    if drafter is None:
        return {"drafter_target": None}
    config = drafter.config
    return {
        "drafter_target": config.target,
        "drafter_layers": config.network.layers,
        "drafter_block": config.block,
        "drafter_vocabulary": config.network.vocab_size,
        "drafter_parameters": drafter.size,
        "target_matches": config.target_sha256 == target_fingerprint(network.model),
    }
