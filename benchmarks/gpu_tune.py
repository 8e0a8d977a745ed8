"""Searches on a Hopper GPU for better divisions of a layer's products than the kernels' plans.

    python benchmarks/gpu_tune.py --model 7B --rows 32

Each time is that of a product with the kernel that reads its parts, with weights that are not in the cache.
"""

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from gpu_timing import copy_bandwidth, graph_seconds
from kernel_checks import Setting, make_weight
from rich.console import Console
from rich.table import Table
from triton.compiler.errors import CompilationError
from triton.runtime.errors import OutOfResources

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.kernels import gemm, mlp, norm
from evalharness.diffusion.kernels.fp8 import Matrix
from evalharness.diffusion.kernels.gemm import TilingPlan
from evalharness.diffusion.kernels.shapes import MODELS

SHARED = 227 * 1024
COLD_BYTES = 200e6
"""Bytes of weights that are read round robin: four times the size of the L2 cache."""

Timed = Callable[[TilingPlan], float]


def candidates(inner: int, rows: int, fp8: bool, splittable: bool) -> Iterator[TilingPlan]:
    """All plans that fit into shared memory."""
    tokens = gemm.tokens_per_program(rows)
    splits = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16) if splittable else (1,)
    for tile, step, stages, warps in itertools.product((64, 128), (64, 128), (3, 4, 5, 6), (4, 8)):
        shared = (tile * (1 if fp8 else 2) + tokens * 2) * step * stages
        if shared <= SHARED and inner % step == 0:
            for count in splits:
                if count <= inner // step:
                    yield TilingPlan(tile, tokens, step, count, warps, stages)


def timer(setting: Setting, name: str, weights: list[Matrix], rows: int) -> Timed:
    """A function that times one product with a plan: qkv alone, the others with the kernel that follows.

    The time is infinite if the compiler or the device has no room for the plan.
    """
    width, inner = weights[0].values.shape
    x, live = setting.random(rows, inner), setting.live()
    gated, row, gain = setting.random(rows, width // 2), setting.random(rows, width), setting.random(width)

    def seconds(tiling: TilingPlan) -> float:
        partials = torch.empty(tiling.splits, rows, width, device=setting.device)

        def once() -> None:
            for weight in weights:
                if name == "gate and up":
                    mlp.gate_up(x, weight, gated, live, tiling)
                    continue
                gemm.split_matmul(x, weight, partials, live, tiling)
                if name != "qkv":
                    norm.add_and_norm(partials, row, gain, 1e-6, row, live)

        try:
            return graph_seconds(once, setting.device, repeats=10) / len(weights)
        except (CompilationError, OutOfResources):
            return math.inf

    return seconds


def products(config: ModelConfig) -> dict[str, tuple[int, int]]:
    """The shapes (out, in) of a layer's matrices."""
    queries = config.heads * config.head_dim
    return {
        "qkv": (queries + 2 * config.kv_heads * config.head_dim, config.hidden),
        "out": (config.hidden, queries),
        "gate and up": (2 * config.intermediate, config.hidden),
        "down": (config.hidden, config.intermediate),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="7B")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--product", choices=list(products(MODELS["7B"])), help="measure only this product")
    parser.add_argument("--out", type=Path, help="JSON file for all times")
    args = parser.parse_args()
    if not (torch.cuda.is_available() and torch.cuda.get_device_capability()[0] == 9):
        print(
            "gpu_tune: this machine has no Hopper GPU (compute capability 9.0); run it on an H100 or H200",
            file=sys.stderr,
        )
        sys.exit(2)
    setting = Setting(torch.device("cuda:0"), torch.bfloat16)
    bandwidth = copy_bandwidth(setting.device)
    table, rows = Table("product", "weights", "plan", "us", "of copy bandwidth"), []
    for (name, (width, inner)), fp8 in itertools.product(products(MODELS[args.model]).items(), (False, True)):
        if args.product not in (None, name):
            continue
        size = width * inner * (1 if fp8 else 2)
        weights = [make_weight(setting, width, inner, fp8) for _ in range(math.ceil(COLD_BYTES / size))]
        timed = timer(setting, name, weights, args.rows)
        gate = name == "gate and up"
        find = partial(mlp.plan_gate_up_tiling, width // 2) if gate else partial(gemm.plan_matmul_tiling, width)
        now = find(inner, args.rows, fp8)
        times = {tiling: timed(tiling) for tiling in candidates(inner, args.rows, fp8, not gate)}
        best = min(times, key=lambda tiling: times[tiling])
        for label, tiling, took in (("now", now, timed(now)), ("best", best, times[best])):
            sizes = ", ".join(f"{key} {value}" for key, value in asdict(tiling).items() if key != "tokens")
            share = f"{size / took / bandwidth:.0%}"
            table.add_row(name, "fp8" if fp8 else "bf16", f"{label}: {sizes}", f"{took * 1e6:.1f}", share)
        feasible = {tiling: took for tiling, took in times.items() if took < math.inf}
        rows += [{"product": name, "fp8": fp8, **asdict(tiling), "seconds": took} for tiling, took in feasible.items()]
        if args.out:
            args.out.write_text(json.dumps({"model": args.model, "rows": args.rows, "times": rows}, indent=1) + "\n")
    Console(width=120).print(table)
    print(f"{args.model}, {args.rows} rows, {torch.cuda.get_device_name()}: {bandwidth / 1e12:.2f} TB/s in a copy")


if __name__ == "__main__":
    main()
