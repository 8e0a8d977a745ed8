"""What a user may ask of the kernels. Nothing of torch is imported for it."""

from dataclasses import dataclass
from typing import Literal

Wish = Literal["auto", "fused", "torch"]
Weights = Literal["network", "fp8", "fp8-w8a8"]


@dataclass(frozen=True)
class Precision:
    """What the products of the fused kernels take: weights as the network has them, or as 8-bit floats (e4m3).

    With fp8-w8a8 the activations of a layer's products are 8-bit floats too, in passes of `w8a8_rows` rows or more; the
    head's never are, as it decides between tokens.
    """

    weights: Weights = "network"
    w8a8_rows: int = 128

    def narrows(self, rows: int) -> bool:
        """Whether a pass of so many rows has activations of 8 bits."""
        return self.weights == "fp8-w8a8" and rows >= self.w8a8_rows


def insistence(wish: Wish, weights: Weights) -> str:
    """The option that only the fused kernels can fulfil, as it was given; empty where there is none."""
    if weights != "network":
        return f"option weights={weights}"
    return "option kernels=fused" if wish == "fused" else ""


def remedy(weights: Weights) -> str:
    """What lets a run go on without the fused kernels."""
    return "use weights=network" if weights != "network" else "use kernels=auto or kernels=torch"
