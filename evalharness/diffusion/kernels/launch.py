"""What all kernels share: how they begin, their launch options, and interpretation without a GPU.

Numbers of rows and slots are marked `do_not_specialize`, because they do not affect the alignment of addresses and
compiling a kernel again for each of them would only take time.
"""

import os
from typing import Any

import triton
import triton.language as tl
from torch import Tensor
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton's interpreter runs the kernels. Its `tl.dot` treats bfloat16 as integers, so it gets float32
instead."""


@triton.jit
def begin_kernel(live: tl.tensor, PDL: tl.constexpr) -> tl.tensor:
    """Kernel function: waits for the previous kernel, and returns whether any sequence is still decoding.

    `live` points to the number of sequences that are still decoding. PDL (programmatic dependent launch) lets a kernel
    start before the previous one has ended.
    """
    if PDL:
        gdc_wait()
        gdc_launch_dependents()
    return tl.load(live) > 0


def launch_options(live_count: Tensor) -> dict[str, Any]:
    """Returns the launch options and compile-time constants that all kernels share, for the device of `live_count`."""
    pdl = live_count.is_cuda
    return {"PDL": pdl, "launch_pdl": True} if pdl else {"PDL": False}


def ceil_div(count: int, size: int) -> int:
    """Returns `count` / `size`, rounded up."""
    return -(-count // size)
