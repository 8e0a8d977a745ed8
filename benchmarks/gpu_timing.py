"""Times calls on a GPU, or on a CPU in the interpreter, and measures the memory bandwidth."""

import itertools
import statistics
import time
from collections.abc import Callable

import torch

Call = Callable[[], object]


def seconds(call: Call, device: torch.device, repeats: int = 20) -> float:
    """The median duration of repeated calls, including launches by the host."""
    call()
    if device.type != "cuda":
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    for _ in range(3):
        call()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    events[0].record()
    for event in events[1:]:
        call()
        event.record()
    torch.cuda.synchronize(device)
    milliseconds: float = statistics.median(a.elapsed_time(b) for a, b in itertools.pairwise(events))
    return milliseconds / 1e3


def graph_seconds(call: Call, device: torch.device, repeats: int = 50) -> float:
    """The median duration of repeated calls in a CUDA graph, which excludes the host."""
    if device.type != "cuda":
        return seconds(call, device)
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        call()
    torch.cuda.synchronize(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return seconds(graph.replay, device, repeats)


def copy_bandwidth(device: torch.device) -> float:
    """Bytes read and written per second by a large copy: the achievable memory bandwidth."""
    size = 1 << (31 if device.type == "cuda" else 22)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / seconds(lambda: target.copy_(source), device)
