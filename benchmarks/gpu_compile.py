"""Compiles the kernels of a benchmark in parallel into Triton's cache on disk.

    python benchmarks/gpu_compile.py 7B diffusion 1024 32 1 2 4 8

One process per network and kind of step. A network's first layer and its head contain all of its kernels.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

KINDS = {"diffusion": "network", "autoregression": "network", "fp8": "fp8", "fp8-w8a8": "fp8-w8a8"}
"""Kinds of steps and the weight format of each."""


def compile_all(models: Sequence[str], context: int, block: int, batches: Sequence[int], seconds: float) -> None:
    """Compiles for all networks. Processes that exceed the time are ended; the remaining kernels compile at first
    use."""
    sizes = [str(size) for size in (context, block, *batches)]
    running = [
        subprocess.Popen([sys.executable, __file__, model, kind, *sizes], stdout=subprocess.DEVNULL)
        for model in models
        for kind in KINDS
    ]
    until = time.monotonic() + seconds
    for process in running:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@torch.inference_mode()
def compile_steps(model: str, kind: str, device: torch.device, context: int, block: int, batches: list[int]) -> None:
    """Runs one step for each batch size."""
    import gpu_fused as fused

    from evalharness.diffusion.kernels.kernel_options import Precision
    from evalharness.diffusion.kernels.shapes import MODELS
    from evalharness.diffusion.kernels.step import read_kernel_weights

    config = replace(fused.served(MODELS[model]), layers=1, max_length=2 * context, block_size=block)
    precision = Precision(KINDS[kind], w8a8_rows=1)  # type: ignore[arg-type]
    weights = read_kernel_weights(fused.random_model(config, device), precision)
    for batch in batches:
        fused.prepare(weights, batch, context, 0 if kind == "autoregression" else block).run()
    torch.cuda.synchronize(device)


def main() -> None:
    model, kind, *sizes = sys.argv[1:]
    context, block, *batches = map(int, sizes)
    compile_steps(model, kind, torch.device("cuda:0"), context, block, batches)


if __name__ == "__main__":
    main()
