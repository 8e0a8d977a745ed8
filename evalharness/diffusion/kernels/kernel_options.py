"""User options of the fused kernels. This module does not import torch."""

from dataclasses import dataclass
from typing import Literal

KernelsOption = Literal["auto", "fused", "torch"]
WeightFormat = Literal["network", "fp8", "fp8-w8a8"]


@dataclass(frozen=True)
class Precision:
    """Number formats of the fused kernels' matrix products: the network's own, or 8-bit floats (e4m3).

    `fp8` stores weights in 8 bits. `fp8-w8a8` also quantizes the activations of the layers' products, in passes of at
    least `w8a8_rows` rows. The output head's activations are never quantized, because it decides between tokens.
    """

    weights: WeightFormat = "network"
    w8a8_rows: int = 128

    def quantizes_activations(self, rows: int) -> bool:
        """Returns whether a forward pass over this many rows (tokens) quantizes activations to 8 bits."""
        return self.weights == "fp8-w8a8" and rows >= self.w8a8_rows


@dataclass(frozen=True)
class UnsupportedSetting:
    """A decoding setting that the fused kernels do not support, and how to change it, both for error messages."""

    setting: str
    remedy: str


def find_unsupported_top_p(temperature: float, top_p: float) -> UnsupportedSetting | None:
    """Returns top_p as an unsupported setting if it affects sampling; None if it does not.

    The fused kernels always sample from all tokens, without top_p.
    """
    if temperature == 0 or top_p == 1:
        return None
    return UnsupportedSetting(f"--top-p {top_p:g}", "use --top-p 1 or --temperature 0")


def find_option_requiring_fused_kernels(kernels_option: KernelsOption, weight_format: WeightFormat) -> str:
    """Returns the option that requires the fused kernels, such as `option kernels=fused`; an empty string if none."""
    if weight_format != "network":
        return f"option weights={weight_format}"
    return "option kernels=fused" if kernels_option == "fused" else ""


def advice_to_avoid_fused_kernels(weight_format: WeightFormat) -> str:
    """Returns advice for an error message: the option with which the run no longer needs the fused kernels."""
    return "use weights=network" if weight_format != "network" else "use kernels=auto or kernels=torch"
