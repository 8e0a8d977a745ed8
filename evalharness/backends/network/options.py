"""Options that the backends `ar` and `diffusion` share."""

from typing import Literal

from pydantic import Field

from evalharness.backends.options import BackendOptions
from evalharness.diffusion.kernels.kernel_options import Precision, WeightFormat


class NetworkOptions(BackendOptions):
    """The `--option key=value` settings that the backends `ar` and `diffusion` share."""

    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Precision of the weights; auto: bfloat16 on CUDA, else float32"
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
        description="auto, cpu, cuda, cuda:N or mps; auto: the first CUDA device, else the CPU",
    )
    threads: int = Field(
        0, ge=0, description="CPU threads; 0: one for a small network, else as many as PyTorch chooses"
    )
    kernels: Literal["auto", "fused", "torch"] = Field(
        "auto",
        description="Implementation of a forward pass; auto: the fused kernels if they support the device and the "
        "network's shape, else torch",
    )
    weights: WeightFormat = Field(
        "network",
        description="Precision of the weights in the fused kernels: the network's own or fp8; fp8-w8a8: activations "
        "are fp8, too",
    )
    w8a8_rows: int = Field(
        128,
        ge=1,
        description="fp8-w8a8 only: minimum number of rows (sequences times tokens, padding included) of a forward "
        "pass for fp8 activations",
    )
    trace: bool = Field(False, description="Store with each completion in which forward pass each token was committed")
    revision: str | None = Field(None, description="Branch, tag or commit on the Hugging Face hub; by default main")

    def precision(self) -> Precision:
        """Returns the number formats of weights and activations that the options select for the fused kernels."""
        return Precision(self.weights, self.w8a8_rows)
