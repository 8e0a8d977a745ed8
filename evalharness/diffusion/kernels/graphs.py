"""Steps as CUDA graphs, and the host beside them: it hears that a block is finished, and never waits inside one."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

AHEAD = 2 << 30
"""Bytes of weights that a launch reads at least, so that the host is always ahead of the device: 0.6 ms of an H100."""


def per_launch(weight_bytes: int) -> int:
    """Steps per graph: few of a large network, as those behind a block's end still cost their launches."""
    return max(1, min(8, AHEAD // weight_bytes))


def repeated(step: Callable[[], None], count: int, live: Tensor) -> Callable[[], None]:
    """`count` steps as one call: on a CUDA device one graph. `live` is 0 as yet, so that a first call does nothing."""
    if not live.is_cuda:
        return step
    assert not live.item()
    # Kernels are compiled and loaded outside of the capture.
    step()
    torch.cuda.synchronize(live.device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(count):
            step()
    return graph.replay


def drain(advance: Callable[[], None], live: Tensor) -> None:
    """Calls `advance` until no sequence is live.

    The host is one call ahead of what it knows of the device, so that the device has always work; the call that turns
    out to be one too many returns from each kernel at once.
    """
    if not live.is_cuda:
        while live.item():
            advance()
        return
    heard = torch.ones(2, dtype=torch.int32, pin_memory=True)
    events = [torch.cuda.Event(), torch.cuda.Event()]
    for number in itertools.count():
        turn = number % 2
        advance()
        heard[turn : turn + 1].copy_(live, non_blocking=True)
        events[turn].record()
        if number:
            events[1 - turn].synchronize()
            if not heard[1 - turn].item():
                return
