"""Selects the device and the floating-point type of a network."""

import torch

from evalharness.errors import UserError


def select_device(device_name: str) -> torch.device:
    """Returns the torch device with this name; "auto" is the first CUDA device, or the CPU without CUDA.

    Raises UserError if PyTorch does not find the device.
    """
    if device_name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(device_name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"option device={device_name}: PyTorch finds {torch.cuda.device_count()} CUDA devices, numbered from 0; "
            "give the number of one of them, or device=auto"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("option device=mps: PyTorch finds no MPS (Apple) GPU on this machine; use device=auto")
    return device


def select_dtype(dtype_name: str, device: torch.device) -> torch.dtype:
    """Returns the torch dtype with this name; "auto" is bfloat16 on a CUDA device, else float32."""
    if dtype_name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    dtype: torch.dtype = getattr(torch, dtype_name)
    return dtype
