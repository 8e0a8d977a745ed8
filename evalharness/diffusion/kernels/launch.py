"""What all kernels share: how they begin, and how they run where there is no device.

Numbers of rows and slots are no reason to compile a kernel anew (`do_not_specialize`): they align no address.
"""

import os
from typing import Any

import triton
import triton.language as tl
from torch import Tensor
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""The interpreter multiplies the bit patterns of bfloat16 as if they were integers: there `tl.dot` takes float32."""


@triton.jit
def enter(live, PDL: tl.constexpr):
    """Waits for what the kernel before wrote, lets the next one be prepared, and says whether work is left.

    `live` points to the number of sequences that are still being denoised.
    """
    if PDL:
        gdc_wait()
        gdc_launch_dependents()
    return tl.load(live) > 0


def options(live: Tensor) -> dict[str, Any]:
    """The launch options and constants that every kernel takes beside its own."""
    pdl = live.is_cuda
    return {"PDL": pdl, "launch_pdl": True} if pdl else {"PDL": False}


def divide(count: int, size: int) -> int:
    """How many pieces of `size` cover `count`."""
    return -(-count // size)
