"""Speculative decoding of a loaded network: finds the drafter, configures drafting, describes it in the manifest."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.backends.network.loading import Network, refuse_if_fused_kernels_required, without_fused_kernels
from evalharness.backends.network.options import NetworkOptions
from evalharness.diffusion.drafting.checkpoint import load_drafter, target_fingerprint
from evalharness.diffusion.drafting.config import read_drafter_config
from evalharness.diffusion.drafting.costs import ForwardPassCosts, load_or_measure_forward_pass_costs
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.drafting.proposals import DraftingSettings
from evalharness.diffusion.kernels.select import find_unsupported_drafter_feature
from evalharness.diffusion.rows import Sampler
from evalharness.errors import UserError
from evalharness.util.paths import BUNDLED_NETWORK

if TYPE_CHECKING:
    from evalharness.diffusion.kernels.drafting.engine import SpeculativeEngine

_log = logging.getLogger(__name__)
BUNDLED_DRAFTERS = BUNDLED_NETWORK / "drafters"
"""Folder with one folder per bundled drafter."""
LONGEST = 15
"""Maximum number of tokens of a draft by prompt lookup."""


def open_drafter(network: Network, drafter_path: str | None) -> Drafter:
    """Returns the drafter in folder `drafter_path`, or the bundled drafter for this network if `drafter_path` is None.

    The drafter's weights are converted to a layout that is faster for inference on a CPU. Raises UserError if the
    folder has no drafter that fits the network, or if no drafter is bundled for it.
    """
    folder = Path(drafter_path).expanduser() if drafter_path is not None else _find_bundled_drafter_folder(network)
    if folder is not None:
        drafter = load_drafter(folder, network.model)
        drafter.pack_matrices()
        return drafter
    raise UserError(
        f"backend diffusion decodes the autoregressive model {network.name} only with a drafter, and none is bundled "
        "for it; give one with --option drafter=DIR, train one with `evalharness train --config "
        "evalharness/training/recipes/drafter-qwen2.5-coder-0.5b.yaml`, or use --backend ar (--option draft=lookup "
        "speeds it up)"
    )


def open_drafter_or_fall_back_to_lookup(network: Network, drafter_path: str | None, use_lookup: bool) -> Drafter | None:
    """Returns the drafter as `open_drafter` does; None if no drafter is available and prompt lookup can replace it.

    The result is None, and a warning is logged, if `drafter_path` is None, no drafter is bundled for the network, and
    `use_lookup` is True. Raises UserError if the folder has no drafter that fits the network, or if
    `use_lookup` is False and no drafter is bundled for the network.
    """
    if drafter_path is not None or not use_lookup or _find_bundled_drafter_folder(network) is not None:
        return open_drafter(network, drafter_path)
    _log.warning(
        "no drafter is bundled for model %s, so only prompt lookup drafts tokens; give a drafter that `evalharness "
        "train` wrote with --option drafter=DIR",
        network.name,
    )
    return None


def _find_bundled_drafter_folder(network: Network) -> Path | None:
    """Returns the folder of the drafter that is bundled for this network; None if there is none.

    Prefers a drafter that was trained for exactly these weights. Otherwise a drafter for a model of the same name and
    hidden size, such as another quantization, is used, and a warning is logged.
    """
    configs = {path.parent: read_drafter_config(path.parent) for path in sorted(BUNDLED_DRAFTERS.glob("*/config.json"))}
    if not configs:
        return None
    fingerprint = target_fingerprint(network.model)
    for folder, config in configs.items():
        if config.target_sha256 == fingerprint:
            return folder
    for folder, config in configs.items():
        model_name = config.target.rpartition("/")[2].lower()
        if model_name in network.name.lower() and config.network.hidden == network.model.config.hidden:
            _log.warning(
                "the bundled drafter for %s was trained on other weights than those of model %s; the output is the "
                "same, but fewer drafts may be accepted",
                config.target,
                network.name,
            )
            return folder
    return None


def drop_kernels_if_drafter_unsupported(network: Network, options: NetworkOptions, drafter: Drafter | None) -> Network:
    """Returns the network unchanged if its kernels support the drafter, else a copy that decodes with PyTorch only.

    Raises UserError if the fused kernels do not support the drafter and an option requires the fused kernels.
    """
    unsupported = find_unsupported_drafter_feature(drafter.config) if drafter and network.engine else ""
    return without_fused_kernels(network, options, unsupported) if unsupported else network


def open_speculative_engine(network: Network, drafter: Drafter | None) -> SpeculativeEngine | None:
    """Returns the fused-kernel engine for speculative decoding; None if the network runs on PyTorch only."""
    if network.engine is None:
        return None
    from evalharness.diffusion.kernels.drafting.engine import SpeculativeEngine

    return SpeculativeEngine(network.engine.weights, drafter)


def select_speculative_engine(
    engine: SpeculativeEngine | None, options: NetworkOptions, sampler: Sampler
) -> SpeculativeEngine | None:
    """Returns the fused-kernel engine if it supports the sampler's settings, else None (PyTorch decodes).

    `engine` is None if the network runs on PyTorch only. Raises UserError if the engine does not support the sampler's
    settings and an option requires the fused kernels.
    """
    unsupported = engine.find_unsupported_setting(sampler) if engine else None
    if unsupported is None:
        return engine
    refuse_if_fused_kernels_required(options, unsupported)
    return None


def make_prompt_lookup_settings(network: Network, costs: ForwardPassCosts | None = None) -> DraftingSettings:
    """Returns the settings of speculative decoding by prompt lookup (n-gram matches), which needs no drafter.

    `costs`: times of forward passes, by which the length of each draft is chosen; by default those of PyTorch, measured
    once per machine.
    """
    costs = costs or load_or_measure_forward_pass_costs(network.model, None)
    return DraftingSettings(lookup=True, max_length=LONGEST, costs=costs)


def make_hybrid_drafting_settings(
    network: Network,
    drafter: Drafter | None,
    acceptance_threshold: float,
    use_lookup: bool,
    max_draft_length: int | None,
    costs: ForwardPassCosts | None = None,
) -> DraftingSettings:
    """Returns the settings of speculative decoding by prompt lookup and a drafter network.

    Each draft comes from the source with the higher expected speed. If `use_lookup` is False, only the drafter drafts;
    if `drafter` is None, only prompt lookup does. `acceptance_threshold`: minimum ratio of an accepted token's
    probability to that of the network's most likely token; 1 accepts only tokens that the network itself would choose.
    `max_draft_length`: maximum number of tokens of a draft; None: 15 with prompt lookup, else the drafter's block size.
    `costs`: see `make_prompt_lookup_settings`.
    """
    limit = LONGEST if use_lookup or drafter is None else drafter.config.block
    costs = costs or load_or_measure_forward_pass_costs(network.model, drafter)
    return DraftingSettings(drafter, use_lookup, min(max_draft_length or limit, limit), acceptance_threshold, costs)


def describe_drafter(network: Network, drafter: Drafter | None) -> Mapping[str, Any]:
    """Returns the entries of a run's manifest that describe the drafter.

    Without a drafter, the only entry is `drafter_target`, with the value None. `target_matches` is False if the drafter
    was trained for another network: the output is the same, but fewer drafts may be accepted.
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
