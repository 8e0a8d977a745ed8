"""Measures the fused kernels on a Hopper GPU: bandwidth, kernels, steps and tokens per second, compared with PyTorch.

    python benchmarks/gpu_bench.py --out results

Networks have random weights and the shapes of real ones. A forward pass is one block after a context of cached tokens,
including the statistics of its logits and the commits. Tokens per second of diffusion are at a fixed number of tokens
per pass; how many a trained network reaches is not measured here. If `--base` or EVALHARNESS_BASE names a real model,
its speeds with AR, lookup and verified diffusion are measured, too. Writes gpu_bench.json and gpu_bench.png. Ends
within `--minutes` and lists what is missing. Exits with 2 without a suitable GPU. With `--interpreted` and
TRITON_INTERPRET=1 a tiny network runs on a CPU to test the script; its times are meaningless.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from rich.console import Console
from rich.table import Table

from evalharness.errors import UserError

if TYPE_CHECKING:
    from evalharness.diffusion.config import ModelConfig
    from evalharness.diffusion.kernels.step import KernelWeights

BLOCK, CONTEXT, PER_PASS = 32, 1024, 4
BATCHES = (1, 2, 4, 8, 16, 32)
COMPILING_S = 100
"""Seconds for compiling all kernels in parallel, before anything is timed."""
BASE = "base"
"""The name of the real model in the results."""
ORDER = ("7B", "0.5B", "1.5B", "LLaDA-8B")


@dataclass
class Report:
    """The results, and the deadline of the measurements."""

    device: torch.device
    bandwidth: float
    deadline: float
    results: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def measure(self, model: str, what: str, call: Callable[[], dict[str, Any]]) -> None:
        """Adds the result of `call` if there is time left. A failure is noted and does not stop the rest."""
        name = f"{model}: {what}"
        if time.monotonic() > self.deadline:
            self.missing.append(f"{name} (no time left)")
            return
        try:
            entry = {"model": model, "what": what} | call()
        except UserError as error:
            self.missing.append(f"{name} ({error})")
            return
        except Exception as error:
            self.failed.append(f"{name} ({type(error).__name__}: {str(error).partition(chr(10))[0]})")
            return
        if "bytes" in entry:
            entry["share"] = entry["bytes"] / entry["s"] / self.bandwidth
        self.results.append(entry)


@torch.inference_mode()
def measure_model(report: Report, name: str, config: ModelConfig, context: int, batches: tuple[int, ...]) -> None:
    """Runs all measurements of one network."""
    import gpu_fused as fused
    import gpu_others as others
    from gpu_timing import graph_seconds, seconds

    from evalharness.diffusion.kernels.engine import Engine
    from evalharness.diffusion.kernels.kernel_options import Precision
    from evalharness.diffusion.kernels.step import read_kernel_weights

    device = report.device
    attention = config.attention
    config = replace(fused.served(config), max_length=2 * context, block_size=BLOCK)
    model = fused.random_model(config, device)
    engine = Engine(model)
    weights = engine.weights
    bench = fused.prepare(weights, 1, context, BLOCK)

    def forward(bench: fused.Bench, tokens: float) -> dict[str, Any]:
        time = fused.step_seconds(bench)
        return {"s": time, "bytes": bench.bytes, "tokens_per_s": tokens / time}

    def sweep(weights: KernelWeights, batch: int, per_pass: int) -> dict[str, Any]:
        prepared = fused.prepare(weights, batch, context, BLOCK if per_pass > 1 else 0)
        return {"batch": batch, "per_pass": per_pass} | forward(prepared, batch * per_pass)

    eight_bit_weights = cache(partial(read_kernel_weights, model, Precision("fp8")))

    def eight_bits(batch: int, precision: Precision) -> dict[str, Any]:
        return sweep(replace(eight_bit_weights(), precision=precision), batch, PER_PASS)

    def canvas_pass(precision: Precision) -> dict[str, Any]:
        made = weights if precision.weights == "network" else replace(eight_bit_weights(), precision=precision)
        return forward(fused.prepare_whole(made, 1, context // 4, BLOCK), PER_PASS)

    report.measure(name, "forward", partial(forward, bench, PER_PASS))
    report.measure(name, "forward, fp8", partial(eight_bits, 1, Precision("fp8")))
    for batch in batches[len(batches) // 2 :]:
        for precision in (Precision("fp8"), Precision("fp8-w8a8", w8a8_rows=1)):
            report.measure(name, f"diffusion, {precision.weights}", partial(eight_bits, batch, precision))
    if attention == "bidirectional":
        for precision in (Precision(), Precision("fp8-w8a8", w8a8_rows=1)):
            report.measure(name, f"whole canvas, {precision.weights}", partial(canvas_pass, precision))
        canvas = partial(others.whole_pass, model, context // 4, BLOCK)
        report.measure(name, "whole canvas, torch", lambda: {"s": seconds(canvas(), device)})
    eight_bit_weights.cache_clear()
    for call in fused.kernel_times(bench):
        report.measure(name, "kernel", call)
    tokens = bench.state.tokens.long()
    bench.run()
    chosen = bench.buffers.statistics.proposed.long()

    def beside(make: Callable[[], others.Pass], clock: Callable[..., float] = seconds) -> dict[str, Any]:
        call = make()
        agreed = float((call() == chosen).float().mean())
        time = clock(call, device)
        return {"s": time, "bytes": bench.bytes, "tokens_per_s": PER_PASS / time, "same_tokens": agreed}

    parts = (model, bench.cache, context, tokens)
    report.measure(name, "torch eager", partial(beside, partial(others.torch_pass, *parts, compiled=False)))
    report.measure(name, "transformers eager", partial(beside, partial(others.transformers_pass, *parts)))

    def decoded(engine: Engine | None, per_pass: int) -> dict[str, Any]:
        limit = 4 * BLOCK if device.type == "cuda" else 8
        speed = fused.decoded_per_second(model, engine, 1, context // 2, limit, per_pass, BLOCK)
        return {"batch": 1, "per_pass": per_pass, "tokens_per_s": speed}

    for batch in batches:
        report.measure(name, "diffusion", partial(sweep, weights, batch, PER_PASS))
        report.measure(name, "autoregression", partial(sweep, weights, batch, 1))
    for per_pass in (PER_PASS, 1):
        report.measure(name, "decoding, fused", partial(decoded, engine, per_pass))
        report.measure(name, "decoding, torch", partial(decoded, None, per_pass))
    if device.type == "cuda":
        # The slowest to start and the least important.
        compiled = cache(partial(others.torch_pass, *parts, compiled=True))
        report.measure(name, "torch.compile", partial(beside, compiled))
        report.measure(name, "torch.compile in a graph", partial(beside, compiled, graph_seconds))


def measure_base(report: Report, base: str | None, drafter: str | None) -> None:
    """Measures AR, lookup and verified diffusion of a real model, in bfloat16 on the GPU."""
    from gpu_base import BaseBench

    if not base:
        report.missing.append("base (neither --base nor EVALHARNESS_BASE names a model)")
        return
    options = {"device": str(report.device), "dtype": "bfloat16"}
    for what, call in BaseBench(base, drafter, options).measurements():
        report.measure(BASE, what, call)


def networks(chosen: list[str], interpreted: bool) -> Iterator[tuple[str, ModelConfig]]:
    """The networks by name."""
    from evalharness.diffusion.kernels.shapes import MODELS

    if interpreted:
        yield "tiny", replace(
            MODELS["0.5B"], vocab_size=300, hidden=64, layers=1, heads=2, kv_heads=1, intermediate=64, mask_id=250,
            end_id=251, pad_id=251,
        )  # fmt: skip
        return
    for name in chosen:
        yield name, MODELS[name]


def show(report: Report) -> None:
    """Prints a table: forward passes first, then kernels, then tokens per second."""
    table = Table("network", "what", "batch", "tokens / pass", "ms", "% of bandwidth", "tokens/s", "same tokens")
    for entry in report.results:
        what = entry.get("kernel", entry["what"]) + (" *" if entry.get("in_l2") else "")
        shares = [f"{100 * entry[key]:.0f}" if key in entry else "" for key in ("share", "same_tokens")]
        time = f"{1e3 * entry['s']:.4f}" if "s" in entry else ""
        speed = f"{entry['tokens_per_s']:.0f}" if "tokens_per_s" in entry else ""
        counts = [str(entry.get(key, "")) for key in ("batch", "per_pass")]
        table.add_row(entry["model"], what, *counts, time, shares[0], speed, shares[1])
    Console(width=120).print(table)
    print("* partly read from the L2 cache, because the kernel is repeated alone")
    for name in report.missing + report.failed:
        print(f"not measured: {name}")


def draw(report: Report, path: Path, title: str) -> None:
    """Plots the fraction of the bandwidth, and tokens per second by batch size."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    models = list(dict.fromkeys(entry["model"] for entry in report.results if entry["model"] != BASE))
    whole = ("forward", "torch.compile in a graph", "torch.compile", "torch eager", "transformers eager")
    width = 0.8 / len(whole)
    for number, what in enumerate(whole):
        shares = {e["model"]: 100 * e["share"] for e in report.results if e["what"] == what}
        if shares:
            places = [models.index(model) + (number - 2) * width for model in shares]
            label = "fused kernels" if what == "forward" else what
            left.bar(places, list(shares.values()), width, color=f"C{number}", label=label)
    left.set_xticks(range(len(models)), models)
    left.set_ylabel("% of measured copy bandwidth")
    left.set_title(f"a forward pass over {BLOCK} tokens, batch 1")
    left.legend(fontsize=8)
    for number, model in enumerate(models):
        for what, style in (("diffusion", "-o"), ("autoregression", "--s"), ("diffusion, fp8-w8a8", ":^")):
            points = [
                (e["batch"], e["tokens_per_s"]) for e in report.results if (e["model"], e["what"]) == (model, what)
            ]
            if points:
                right.plot(
                    *zip(*points, strict=True), style, color=f"C{number}", label=f"{model}, {what}", markersize=4
                )
    right.set_xscale("log", base=2)
    right.set_yscale("log")
    right.set_xlabel("batch")
    right.set_ylabel("tokens / s, all sequences")
    right.set_title(f"diffusion at {PER_PASS} tokens per pass, and autoregression")
    right.legend(fontsize=8)
    figure.suptitle(title)
    figure.savefig(path, dpi=120)


def refuse(reason: str) -> NoReturn:
    """Prints in one line why nothing is measured, and exits with 2."""
    print(f"gpu_bench.py: {reason}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for gpu_bench.json and gpu_bench.png")
    parser.add_argument("--minutes", type=float, default=5.0, help="minutes after which no measurement starts")
    parser.add_argument("--models", nargs="+", choices=ORDER, default=ORDER, help="networks, in this order")
    parser.add_argument("--base", default=os.environ.get("EVALHARNESS_BASE"), help="a real model: folder or GGUF file")
    parser.add_argument("--drafter", help="the base's drafter [default: the bundled one]")
    parser.add_argument("--interpreted", action="store_true", help="a tiny network on a CPU in Triton's interpreter")
    args = parser.parse_args()
    if args.interpreted and os.environ.get("TRITON_INTERPRET") != "1":
        refuse("--interpreted needs TRITON_INTERPRET=1 in the environment")
    if not args.interpreted and not (torch.cuda.is_available() and torch.cuda.get_device_capability()[0] == 9):
        refuse("this machine has no Hopper GPU (compute capability 9.0); --interpreted tests the script on a CPU")
    from gpu_compile import compile_all
    from gpu_timing import copy_bandwidth

    torch.manual_seed(0)
    start = time.monotonic()
    if args.interpreted:
        torch.set_num_threads(1)
    device = torch.device("cpu" if args.interpreted else "cuda:0")
    name = "Triton's interpreter" if args.interpreted else torch.cuda.get_device_name(device)
    if device.type == "cuda":
        compile_all(args.models, CONTEXT, BLOCK, BATCHES, COMPILING_S)
    report = Report(device, copy_bandwidth(device), start + 60 * args.minutes)
    print(f"{name}: a copy reads and writes {report.bandwidth / 1e12:.3f} TB/s", flush=True)
    context, batches = (40, (1, 2)) if args.interpreted else (CONTEXT, BATCHES)
    args.out.mkdir(parents=True, exist_ok=True)

    def write_results(model: str) -> None:
        facts = {"device": name, "torch": torch.__version__, "block": BLOCK, "context": context, "per_pass": PER_PASS}
        facts |= {key: value for key, value in vars(report).items() if key not in ("device", "deadline")}
        (args.out / "gpu_bench.json").write_text(json.dumps(facts, indent=1) + "\n")
        if device.type == "cuda":
            torch.cuda.empty_cache()
        print(f"{model}: done", flush=True)

    if not args.interpreted:
        measure_base(report, args.base, args.drafter)
        write_results(BASE)
    for model, config in networks(args.models, args.interpreted):
        measure_model(report, model, config, context, batches)
        write_results(model)
    show(report)
    draw(report, args.out / "gpu_bench.png", f"{name}, {report.bandwidth / 1e12:.2f} TB/s")
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
