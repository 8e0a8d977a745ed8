"""Runs decoding steps as CUDA graphs; the host learns asynchronously that a block is finished."""

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

AHEAD = 128
"""Fewest kernels per graph launch. They run longer than the 40 microseconds in which the host launches the next graph.
"""


def steps_per_graph(kernels_per_step: int) -> int:
    """Returns the number of decoding steps per CUDA graph, if a step consists of this many kernels.

    It is the smallest number with which a graph has at least `AHEAD` kernels. More would waste time: after a block is
    finished, the graph's remaining steps do no work, but their kernels are still launched.
    """
    return -(-AHEAD // kernels_per_step)


def use_device(device: torch.device) -> AbstractContextManager[object]:
    """Returns a context manager that makes a CUDA device the current one; on a CPU it does nothing."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def capture_steps(step: Callable[[], None], step_count: int, live_count: Tensor) -> Callable[[], None]:
    """Returns a function that runs `step` `step_count` times as one CUDA graph; on a CPU, it runs `step` once.

    `live_count` [1], the number of sequences that still decode, must be 0, so that the warm-up step changes nothing.
    """
    if not live_count.is_cuda:
        return step
    assert not live_count.item()
    # Kernels must be compiled and loaded before the capture.
    step()
    torch.cuda.synchronize(live_count.device)
    graph = torch.cuda.CUDAGraph()
    stream = torch.cuda.Stream(live_count.device)  # type: ignore[no-untyped-call]
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(step_count):
            step()

    def replay(_kept: Callable[[], None] = step) -> None:
        # A graph stores only addresses; `step` keeps the buffers at these addresses alive.
        graph.replay()

    return replay


def run_until_done(
    advance: Callable[[], None], live_count: Tensor, first_advance: Callable[[], None] | None = None
) -> None:
    """Calls `first_advance`, if given, and then `advance` repeatedly until no sequence decodes any more.

    `live_count` [1] is the number of sequences that still decode. The host launches the next call before it knows
    whether the previous one finished all sequences, so that the device never waits. In a call that was not
    needed, each kernel returns immediately.
    """
    if not live_count.is_cuda:
        if first_advance:
            first_advance()
        while live_count.item():
            advance()
        return
    live_on_host = torch.ones(2, dtype=torch.int32, pin_memory=True)
    events = [torch.cuda.Event() for _ in range(2)]  # type: ignore[no-untyped-call]
    for number in itertools.count():
        slot = number % 2
        (first_advance if first_advance and not number else advance)()
        live_on_host[slot : slot + 1].copy_(live_count, non_blocking=True)
        events[slot].record()
        if number:
            events[1 - slot].synchronize()
            if not live_on_host[1 - slot].item():
                return
