"""Loads a network with its tokenizer for `ar` and `diffusion`, selects its kernels, and describes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from evalharness.backends.network.options import NetworkOptions
from evalharness.diffusion.checkpoints.families import ModelFamily
from evalharness.diffusion.checkpoints.loading import Checkpoint, gguf_manifest_entries, is_gguf, open_checkpoint
from evalharness.diffusion.kernels.kernel_options import (
    Precision,
    UnsupportedSetting,
    advice_to_avoid_fused_kernels,
    find_option_requiring_fused_kernels,
)
from evalharness.diffusion.kernels.select import KernelSelection, select_kernels
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.packing import can_pack_linear_layers, pack_linear_layers
from evalharness.diffusion.rows import Sampler
from evalharness.errors import UserError
from evalharness.generation.devices import select_device, select_dtype
from evalharness.generation.fingerprints import sha256, weights_digest
from evalharness.generation.infilling import InfillingEncoder, find_infilling_encoder
from evalharness.generation.stopping import Detokenizer
from evalharness.util.paths import BUNDLED_NETWORK

if TYPE_CHECKING:
    from evalharness.diffusion.denoising import DenoisingSettings
    from evalharness.diffusion.kernels.engine import Engine

SMALL = 100_000_000
"""Number of parameters below which a network gets one CPU thread, and a copy of its weights in oneDNN's faster layout.

A second thread would hardly speed up such a small network, but slow down the sandbox. The copy needs little memory.
"""


@dataclass(frozen=True)
class Network:
    """A loaded network (the model and its weights), ready for decoding, with its tokenizer, family and kernels."""

    name: str
    """The folder, GGUF file or hub id as the user gave it, or "bundled"."""
    model: Transformer
    tokenizer: Any
    family: ModelFamily
    detokenizer: Detokenizer
    end_tokens: frozenset[int]
    infilling: InfillingEncoder | None
    """How the network infills; None if its tokenizer has no sentinel tokens."""
    kernels: KernelSelection
    engine: Engine | None
    """Decodes with the fused kernels; None if the network runs on torch."""
    digest: str
    """Digest of a sample of the loaded weights."""
    parameters: int
    """Number of parameters."""

    @property
    def device(self) -> torch.device:
        """The torch device of the network's weights."""
        return self.model.embed.weight.device


def load_network(model_name: str | None, options: NetworkOptions) -> Network:
    """Loads the network of a checkpoint folder, GGUF file or hub id; the bundled network if `model_name` is None.

    Raises UserError if the network cannot be loaded, its model family is not supported, or the kernels that the options
    require do not support it.
    """
    if model_name is None and not (BUNDLED_NETWORK / "model.safetensors").is_file():
        raise UserError(
            "the weights of the bundled network are not installed; give --model a checkpoint folder, such as one that "
            "`evalharness train` wrote"
        )
    device = select_device(options.device)
    loaded = _open_checkpoint(
        model_name or str(BUNDLED_NETWORK), select_dtype(options.dtype, device), device, options.revision
    )
    kernels = select_kernels(options.kernels, loaded.model, options.weights)
    parameters = sum(p.numel() for p in loaded.model.parameters())
    if options.threads or (device.type == "cpu" and parameters < SMALL):
        torch.set_num_threads(options.threads or 1)
    if parameters < SMALL and can_pack_linear_layers(loaded.model):
        pack_linear_layers(loaded.model)
    return Network(
        model_name or "bundled",
        loaded.model,
        loaded.tokenizer,
        loaded.family,
        Detokenizer(loaded.tokenizer),
        loaded.end_ids,
        find_infilling_encoder(loaded.tokenizer, "auto"),
        kernels,
        _open_fused_kernel_engine(loaded.model, options.precision()) if kernels.name == "fused" else None,
        weights_digest(loaded.model),
        parameters,
    )


def _open_checkpoint(model_name: str, dtype: torch.dtype, device: torch.device, revision: str | None) -> Checkpoint:
    """Loads the checkpoint in a folder, GGUF file or hub repository; imports the GGUF reader only for a GGUF file."""
    if is_gguf(model_name):
        from evalharness.diffusion.checkpoints.gguf import open_gguf

        return open_gguf(Path(model_name).expanduser(), dtype, device)
    return open_checkpoint(model_name, dtype, device, revision)


def _open_fused_kernel_engine(model: Transformer, precision: Precision) -> Engine:
    """Returns the engine that decodes a network with the fused kernels. Imports Triton, which needs a GPU."""
    from evalharness.diffusion.kernels.engine import Engine

    return Engine(model, precision)


def without_fused_kernels(network: Network, options: NetworkOptions, unsupported_feature: str) -> Network:
    """Returns a copy of the network that decodes with PyTorch only, without the fused kernels.

    `unsupported_feature` names what the fused kernels do not support, for messages. Raises UserError if an option
    requires the fused kernels.
    """
    if required_by := find_option_requiring_fused_kernels(options.kernels, options.weights):
        raise UserError(
            f"{required_by} requires the fused kernels, which do not support {unsupported_feature}; "
            f"{advice_to_avoid_fused_kernels(options.weights)}"
        )
    return replace(network, kernels=KernelSelection("torch", f"{unsupported_feature} run on torch"), engine=None)


def select_engine(
    network: Network, options: NetworkOptions, sampler: Sampler, denoising: DenoisingSettings | None = None
) -> Engine | None:
    """Returns the network's fused-kernel engine if it supports the decoding settings, else None (PyTorch decodes).

    The settings are those of `sampler` and, for block diffusion, of `denoising`. Raises UserError if the engine does
    not support them and an option requires the fused kernels.
    """
    engine = network.engine
    unsupported = engine.find_unsupported_setting(sampler, denoising) if engine else None
    if unsupported is None:
        return engine
    refuse_if_fused_kernels_required(options, unsupported)
    return None


def refuse_if_fused_kernels_required(options: NetworkOptions, unsupported: UnsupportedSetting) -> None:
    """Raises UserError if an option requires the fused kernels, which do not support the setting `unsupported`."""
    if required_by := find_option_requiring_fused_kernels(options.kernels, options.weights):
        raise UserError(
            f"{required_by} requires the fused kernels, which do not support {unsupported.setting}; "
            f"{unsupported.remedy}, or {advice_to_avoid_fused_kernels(options.weights)}"
        )


def describe_network(network: Network) -> dict[str, Any]:
    """Returns a network's name, weights digest, precision, device and library versions, for a run's manifest."""
    model, config = network.model, network.model.config
    precision = network.engine.weights.precision if network.engine else Precision()
    return {
        "model": network.name,
        "family": network.family.name,
        "config_sha256": sha256(repr(config).encode()),
        "weights_sample_sha256": network.digest,
        "parameters": network.parameters,
        "dtype": str(model.embed.weight.dtype).removeprefix("torch."),
        "device": str(network.device),
        "device_name": torch.cuda.get_device_name(network.device) if network.device.type == "cuda" else "cpu",
        "kernels": network.kernels.name,
        "kernels_reason": network.kernels.reason,
        "weights": precision.weights,
        "w8a8_rows": precision.w8a8_rows if precision.weights == "fp8-w8a8" else None,
        "threads": torch.get_num_threads(),
        "attention": config.attention,
        "end_tokens": sorted(network.end_tokens),
        "infilling": network.infilling.to_manifest() if network.infilling else None,
        "torch": torch.__version__,
        **gguf_manifest_entries(network.name),
    }
