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

    It is the smallest number with at least AHEAD kernels: after a block is finished, the graph's remaining steps do no
    work, but still take the time of their kernel launches.
    """
    return -(-AHEAD // kernels_per_step)


def use_device(device: torch.device) -> AbstractContextManager[object]:
    """Returns a context manager that makes a CUDA device the current one, for kernel launches and graph capture."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def capture_steps(step: Callable[[], None], step_count: int, live: Tensor) -> Callable[[], None]:
    """Returns a function that runs `step_count` decoding steps as one CUDA graph, or on a CPU a single step.

    `live`, the number of decoding sequences, must be 0, so that the warm-up step changes nothing.
    """
    if not live.is_cuda:
        return step
    assert not live.item()
    # Kernels must be compiled and loaded before the capture.
    step()
    torch.cuda.synchronize(live.device)
    graph = torch.cuda.CUDAGraph()
    stream = torch.cuda.Stream(live.device)  # type: ignore[no-untyped-call]
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(step_count):
            step()

    def replay(_kept: Callable[[], None] = step) -> None:
        # A graph stores only addresses; `step` keeps the buffers at these addresses alive.
        graph.replay()

    return replay


def run_until_done(advance: Callable[[], None], live: Tensor, first_advance: Callable[[], None] | None = None) -> None:
    """Calls `first_advance`, if given, and then `advance` repeatedly until no sequence is decoding (`live` is 0).

    The host launches the next call before it knows whether the previous one finished all sequences, so that the device
    never waits. In a call that was not needed, each kernel returns immediately.
    """
    if not live.is_cuda:
        if first_advance:
            first_advance()
        while live.item():
            advance()
        return
    live_on_host = torch.ones(2, dtype=torch.int32, pin_memory=True)
    events = [torch.cuda.Event() for _ in range(2)]  # type: ignore[no-untyped-call]
    for number in itertools.count():
        slot = number % 2
        (first_advance if first_advance and not number else advance)()
        live_on_host[slot : slot + 1].copy_(live, non_blocking=True)
        events[slot].record()
        if number:
            events[1 - slot].synchronize()
            if not live_on_host[1 - slot].item():
                return
