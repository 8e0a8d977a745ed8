"""Proves the fused kernels on a Hopper GPU: each against double precision, whole steps and decoding against PyTorch.

    python benchmarks/gpu_check.py

Errors are multiples of what rounding explains, so that up to 1 all is well. Where compute-sanitizer is on the PATH, it
watches the small shapes. Exits with 1 where a check fails, with 2 where there is no such device. With `--interpreted`
and TRITON_INTERPRET=1 the small shapes run on a CPU, to prove the checks themselves.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from kernel_checks import Check

SMALL = {
    "vocab_size": 300, "hidden": 128, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 64, "intermediate": 192,
    "mask_id": 5, "end_id": 6, "pad_id": 7,
}  # fmt: skip
"""What differs in a network small enough for the interpreter and for compute-sanitizer."""


def small_checks(device: torch.device, dtype: torch.dtype) -> Iterator[Check]:
    """Every kernel, a step and a little decoding at small shapes."""
    import kernel_checks as kernels
    import step_checks as steps

    from evalharness.diffusion.kernels.shapes import QWEN_05B

    place, config = kernels.Place(device, dtype), replace(QWEN_05B, **SMALL)  # type: ignore[arg-type]
    normed = replace(config, qk_norm=True, qkv_bias=False, rotary=0.5)
    yield from kernels.check_products(place, config, 5, "network")
    yield from kernels.check_products(place, config, 17, "fp8")
    yield from kernels.check_products(place, config, 17, "fp8-w8a8")
    yield from kernels.check_narrow(place, 3, config.intermediate)
    yield from kernels.check_norms(place, config, 5)
    yield from kernels.check_qkv(place, config, 2, 3)
    yield from kernels.check_qkv(place, normed, 2, 3)
    yield from kernels.check_attention(place, config, 2, 5, 130)
    yield from kernels.check_head(place, config, 5, fp8=False)
    yield from kernels.check_head(place, config, 6, fp8=True)
    yield from steps.check_step(place, config, 2, 9, 4)
    yield from steps.check_decoding(place, config, 1, 6, ("threshold", steps.NEXT))


def real_checks(device: torch.device) -> Iterator[Check]:
    """Every kernel at the shapes of real networks and several numbers of rows; steps of a few of their layers."""
    import kernel_checks as kernels
    import step_checks as steps

    from evalharness.diffusion.kernels.shapes import MODELS, QWEN_05B, QWEN_7B

    place = kernels.Place(device, torch.bfloat16)
    for config in MODELS.values():
        for rows in (1, 16, 33, 64, 130):
            yield from kernels.check_products(place, config, rows, "network")
            yield from kernels.check_products(place, config, rows, "fp8")
        for rows in (33, 256):
            yield from kernels.check_products(place, config, rows, "fp8-w8a8")
            yield from kernels.check_narrow(place, rows, config.intermediate)
        for sequences, size in ((1, 32), (3, 17), (8, 64)):
            yield from kernels.check_norms(place, config, sequences * size)
            yield from kernels.check_qkv(place, config, sequences, size)
            for capacity in (64, 1056, 4000):
                yield from kernels.check_attention(place, config, sequences, size, capacity)
        for rows, fp8 in ((1, False), (32, False), (70, False), (32, True)):
            yield from kernels.check_head(place, config, rows, fp8)
    for config in MODELS.values():
        causal = replace(config, layers=4, attention="causal")
        for sequences, context in ((1, 1024), (4, 200)):
            yield from steps.check_step(place, causal, sequences, context, 32)
    small = replace(QWEN_05B, **SMALL | {"hidden": 256, "vocab_size": 2000})  # type: ignore[arg-type]
    for sequences in (1, 5):
        yield from steps.check_decoding(place, small, sequences, limit=96)
    yield from steps.check_bundled(place)
    yield from steps.check_memory(place, replace(QWEN_7B, layers=2))


def sanitized() -> str:
    """What compute-sanitizer says of the small shapes: empty where it finds nothing, or is not there."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        print("compute-sanitizer is not on the PATH: memory accesses are not watched")
        return ""
    command = [tool, "--error-exitcode", "9", sys.executable, __file__, "--small"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    except subprocess.TimeoutExpired:
        return "it was not through after 240 s"
    return (done.stdout + done.stderr)[-3000:] if done.returncode else ""


def _refuse(reason: str) -> int:
    print(f"gpu_check: {reason}", file=sys.stderr)
    return 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="only the small shapes")
    parser.add_argument("--interpreted", action="store_true", help="those, on a CPU, in Triton's interpreter")
    parser.add_argument("--out", type=Path, help="a JSON file for what was found")
    given = parser.parse_args()
    if given.interpreted and os.environ.get("TRITON_INTERPRET") != "1":
        sys.exit(_refuse("set TRITON_INTERPRET=1 for --interpreted"))
    if not given.interpreted and not (torch.cuda.is_available() and torch.cuda.get_device_capability()[0] == 9):
        sys.exit(_refuse("there is no Hopper GPU (compute capability 9.0) here; run it on an H100 or H200"))
    torch.manual_seed(0)
    device = torch.device("cpu" if given.interpreted else "cuda:0")
    if given.interpreted:
        torch.set_num_threads(1)
        checks = small_checks(device, torch.float32)
    elif given.small:
        checks = small_checks(device, torch.bfloat16)
    else:
        checks = itertools.chain(small_checks(device, torch.bfloat16), real_checks(device))

    start, found = time.perf_counter(), []
    table = Table("", "check", "shape", "error / rounding")
    for check in checks:
        found.append(check)
        table.add_row("ok" if check.passed else "FAILED", check.name, check.shape, f"{check.error:.3g}")
    Console(width=120).print(table)
    failed = [check for check in found if not check.passed]
    said = "" if given.small or given.interpreted else sanitized()
    name = "Triton's interpreter" if given.interpreted else torch.cuda.get_device_name()
    print(f"{len(found)} checks on {name}, {len(failed)} failed; {time.perf_counter() - start:.0f} s")
    if said:
        print(f"compute-sanitizer:\n{said}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(check) | {"passed": check.passed} for check in found]
        given.out.write_text(json.dumps({"device": name, "checks": rows, "sanitizer": said}, indent=1) + "\n")
    sys.exit(1 if failed or said else 0)


if __name__ == "__main__":
    main()
