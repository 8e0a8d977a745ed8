"""Checkpoint folders in this project's format: config.json, model.safetensors (8-bit or plain) and tokenizer.json."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from evalharness.diffusion.config import ModelConfig, read_config, write_config
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError
from evalharness.util.text import error_text

FILE = "model.safetensors"
SCALE = ".scale"


def save_checkpoint(model: Transformer, folder: Path, *, quantized: bool) -> None:
    """Writes a network's configuration (config.json) and weights (model.safetensors) into `folder`.

    If `quantized`, matrices are stored as int8 with one scale per row.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_config(model.config, folder)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if model.config.tied:
        del state["head.weight"]
    if quantized:
        state = quantize_weights(state)
    # The safetensors writer creates files that only their owner can read.
    (folder / FILE).write_bytes(to_bytes(state, metadata={"format": "pt"}))


def load_checkpoint(
    folder: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Transformer:
    """Returns the network in a checkpoint folder that `save_checkpoint` wrote, in evaluation mode.

    Raises UserError if files are missing or the weights do not have the shapes of the configuration.
    """
    config = read_config(folder)
    try:
        state = load_file(folder / FILE, device=str(device))
    except Exception as error:  # safetensors raises its own and the system's errors alike
        raise UserError(
            f"{folder / FILE} cannot be read: {error}; give a complete checkpoint folder with --model"
        ) from None
    state = {name: tensor.to(dtype) for name, tensor in dequantize_weights(state).items()}
    if config.tied and "embed.weight" in state:
        state["head.weight"] = state["embed.weight"]
    return build_network(config, state, str(folder / FILE))


def build_network(config: ModelConfig, state: dict[str, Tensor], source_name: str) -> Transformer:
    """Returns a network with the given configuration and weights (`state`, a state dict), in evaluation mode.

    Raises UserError if the weights do not have the shapes of the configuration; `source_name` names their file in the
    error.
    """
    # On the meta device no weights are allocated and initialized, since `state` replaces them all.
    with torch.device("meta"):
        model = Transformer(config)
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = error_text(error)
        raise UserError(
            f"the weights in {source_name} do not fit the model's configuration ({reason}); give --model a complete "
            "checkpoint"
        ) from None
    if config.tied:
        model.head.weight = model.embed.weight
    return model.eval().requires_grad_(False)


def quantize_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns a state dict with the matrices [rows, columns] of `state` quantized to int8.

    Each matrix gets a float32 scale per row [rows, 1], stored under the matrix's name with the suffix `.scale`. Numbers
    are rounded to the nearest integer. Tensors that are no matrices become float32.
    """
    quantized: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if tensor.dim() != 2:
            quantized[name] = tensor.float()
            continue
        scale = tensor.float().abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
        quantized[name] = (tensor.float() / scale).round().to(torch.int8)
        quantized[name + SCALE] = scale
    return quantized


def dequantize_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns a state dict with the int8 matrices of `state` as float32: reverses `quantize_weights`, up to rounding.

    Tensors without a scale are not quantized, and are returned unchanged.
    """
    return {
        name: tensor.float() * state[name + SCALE] if name + SCALE in state else tensor
        for name, tensor in state.items()
        if not name.endswith(SCALE)
    }
