"""Steps as CUDA graphs, and the host beside them: it hears that a block is finished, and never waits inside one."""

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

AHEAD = 128
"""Kernels of a launch at least, if live: they take longer than the 40 microseconds in which the host makes the next."""


def per_launch(kernels: int) -> int:
    """Steps of so many kernels per graph: no more than it takes, as those behind a block's end still cost launches."""
    return -(-AHEAD // kernels)


def current(device: torch.device) -> AbstractContextManager[object]:
    """Makes a CUDA device the current one, which is where Triton launches and graphs are captured."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def repeated(step: Callable[[], None], count: int, live: Tensor) -> Callable[[], None]:
    """`count` steps as one call: on a CUDA device one graph. `live` is 0 as yet, so that a first call does nothing."""
    if not live.is_cuda:
        return step
    assert not live.item()
    # Kernels are compiled and loaded outside of the capture.
    step()
    torch.cuda.synchronize(live.device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.Stream(live.device)):
        for _ in range(count):
            step()

    def replay(_kept: Callable[[], None] = step) -> None:
        # A graph knows addresses alone: `step` holds the buffers that lie there.
        graph.replay()

    return replay


def drain(advance: Callable[[], None], live: Tensor, first: Callable[[], None] | None = None) -> None:
    """Calls `first`, if given, and then `advance` until no sequence is live.

    The host is one call ahead of what it knows of the device, so that the device has always work; the call that turns
    out to be one too many returns from each kernel at once.
    """
    if not live.is_cuda:
        if first:
            first()
        while live.item():
            advance()
        return
    heard = torch.ones(2, dtype=torch.int32, pin_memory=True)
    events = [torch.cuda.Event(), torch.cuda.Event()]
    for number in itertools.count():
        turn = number % 2
        (first if first and not number else advance)()
        heard[turn : turn + 1].copy_(live, non_blocking=True)
        events[turn].record()
        if number:
            events[1 - turn].synchronize()
            if not heard[1 - turn].item():
                return
