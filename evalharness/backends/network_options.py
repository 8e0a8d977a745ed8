"""The options that the backends `ar` and `diffusion` share."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evalharness.backends import BackendConfig
from evalharness.diffusion.kernels.kernel_options import Precision, WeightFormat
from evalharness.errors import UserError


class NetworkOptions(BaseModel):
    """`--option key=value` pairs of both."""

    model_config = ConfigDict(extra="forbid")

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    threads: int = Field(0, ge=0)
    """Of the CPU; 0: one for a small network, else what PyTorch thinks best."""
    kernels: Literal["auto", "fused", "torch"] = "auto"
    """What a pass runs on; auto: the fused kernels where the device and the network's shapes are what they take."""
    weights: WeightFormat = "network"
    """What the fused kernels read: the network's own, or 8-bit floats; with fp8-w8a8 activations are such as well."""
    w8a8_rows: int = Field(128, ge=1)
    """Of fp8-w8a8: the least rows of a pass (sequences times tokens, padding included) with activations of 8 bits."""
    trace: bool = False
    """Keep with each completion which token was fixed in which pass."""
    revision: str | None = None

    def precision(self) -> Precision:
        """What the fused kernels are to compute with."""
        return Precision(self.weights, self.w8a8_rows)


def check_batch(config: BackendConfig) -> None:
    """Raises UserError for a batch size below 1."""
    if config.batch_size < 1:
        raise UserError(f"batch size {config.batch_size}: give --batch-size a number of at least 1")
