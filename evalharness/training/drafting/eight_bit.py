"""8-bit matrix products (SmoothQuant) for generating training answers on a CPU, about twice as fast as float32.

Weights have a scale per output, activations one per token. What differs much between the inputs' channels is moved into
the weights first. Source: SmoothQuant (arXiv 2211.10438).
"""

import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from evalharness.diffusion.network import Transformer

MIGRATION = 0.7
"""The part of the channels' differences that is moved from the activations into the weights (alpha of SmoothQuant)."""
_LINEARS = ("qkv", "out", "gate_up", "down")


class EightBitLinear(nn.Module):
    """A linear layer with int8 weights, whose input activations are quantized to 8 bits at each call."""

    def __init__(self, linear: nn.Linear, largest: Tensor) -> None:
        """`largest` [inputs]: the largest magnitude that each input channel had during calibration."""
        super().__init__()
        weight = linear.weight.detach().float()
        columns = weight.abs().amax(0).clamp_min(1e-5)
        smooth = (largest.clamp_min(1e-5) ** MIGRATION / columns ** (1 - MIGRATION)).clamp_min(1e-4)
        weight = weight * smooth
        scales = (weight.abs().amax(1).clamp_min(1e-8) / 127).double()
        zeros = torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():
            # Deprecated since PyTorch 2.13, without a replacement that is as fast on CPUs without VNNI.
            warnings.simplefilter("ignore", UserWarning)
            packed = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self._packed = torch.ops.quantized.linear_prepack(packed, None)
        self._inverse = 1 / smooth
        self._bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Returns the product [..., outputs] of inputs [..., inputs], in float32."""
        x = x * self._inverse
        largest = x.abs().amax(-1, keepdim=True).clamp_min(1e-8)
        # With rows of equal magnitude, the one scale that the operation finds is a scale per row. Its seven bits avoid
        # an overflow of the 16-bit sums of processors without VNNI.
        product: Tensor = torch.ops.quantized.linear_dynamic(x / largest, self._packed, True) * largest
        return product if self._bias is None else product + self._bias


def quantize_linear_layers(model: Transformer, run_calibration_texts: Callable[[], None]) -> None:
    """Replaces the linear layers of a network, in place, by layers with 8-bit weights and activations.

    `run_calibration_texts` must run the network on typical texts; meanwhile, the ranges of the activations are
    measured.
    """
    largest: dict[str, Tensor] = {}
    hooks = [
        linear.register_forward_hook(_make_input_magnitude_hook(name, largest))
        for name, _, linear in _iterate_linear_layers(model)
    ]
    run_calibration_texts()
    for hook in hooks:
        hook.remove()
    for name, owner, linear in list(_iterate_linear_layers(model)):
        setattr(owner, name.rpartition(".")[2], EightBitLinear(linear, largest[name]))


def _iterate_linear_layers(model: Transformer) -> Iterator[tuple[str, nn.Module, nn.Linear]]:
    """Yields (name, module that has the layer as an attribute, layer) of each linear layer to quantize."""
    for number, layer in enumerate(model.layers):
        for name in _LINEARS:
            yield f"{number}.{name}", layer, getattr(layer, name)
    yield "head", model, model.head


def _make_input_magnitude_hook(
    layer_name: str, max_magnitudes_by_layer: dict[str, Tensor]
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def record_magnitude(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
        # The first tokens of a text have activations a hundred times as large, which need no precision.
        seen = inputs[0].flatten(0, -2)[4:].abs().amax(0).float()
        max_magnitudes_by_layer[layer_name] = (
            torch.maximum(max_magnitudes_by_layer[layer_name], seen) if layer_name in max_magnitudes_by_layer else seen
        )

    return record_magnitude
