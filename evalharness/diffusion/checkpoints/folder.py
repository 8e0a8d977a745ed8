"""Our own checkpoint folders: config.json, model.safetensors (8-bit or plain) and tokenizer.json."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from evalharness.diffusion.config import ModelConfig, read_config, write_config
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError

FILE = "model.safetensors"
SCALE = ".scale"


def save(model: Transformer, folder: Path, *, quantised: bool) -> None:
    """Writes configuration and weights into `folder`: matrices in 8 bits with a scale per row, or all as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(model.config, folder)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if model.config.tied:
        del state["head.weight"]
    if quantised:
        state = quantise(state)
    # Not by safetensors' own writer, whose files no one but their owner can read.
    (folder / FILE).write_bytes(to_bytes(state, metadata={"format": "pt"}))


def load(folder: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Transformer:
    """The network of that folder, in evaluation mode. Raises UserError where the folder has none."""
    config = read_config(folder)
    try:
        state = load_file(folder / FILE, device=str(device))
    except Exception as error:  # safetensors raises its own and the system's errors alike
        raise UserError(f"{folder / FILE} cannot be read: {error}; give --model a checkpoint folder") from None
    state = {name: tensor.to(dtype) for name, tensor in dequantise(state).items()}
    if config.tied and "embed.weight" in state:
        state["head.weight"] = state["embed.weight"]
    return build(config, state, str(folder / FILE))


def build(config: ModelConfig, state: dict[str, Tensor], source: str) -> Transformer:
    """The network with these weights, in evaluation mode. Raises UserError where they do not fit; `source` is named."""
    # On no device, so that no weights are drawn only to be thrown away.
    with torch.device("meta"):
        model = Transformer(config)
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{source} does not fit its config.json: {reason}") from None
    if config.tied:
        model.head.weight = model.embed.weight
    return model.eval().requires_grad_(False)


def quantise(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices [rows, columns] as int8 with a float32 scale [rows, 1], rounded to nearest; vectors in float32."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if tensor.dim() != 2:
            found[name] = tensor.float()
            continue
        scale = tensor.float().abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
        found[name] = (tensor.float() / scale).round().to(torch.int8)
        found[name + SCALE] = scale
    return found


def dequantise(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `quantise`, up to its rounding; a state without scales stays as it is."""
    return {
        name: tensor.float() * state[name + SCALE] if name + SCALE in state else tensor
        for name, tensor in state.items()
        if not name.endswith(SCALE)
    }
