"""Checks the fused kernels on a Hopper GPU: kernels against double precision, steps and decoding against PyTorch.

    python benchmarks/gpu_check.py

Errors are multiples of what rounding explains; up to 1 a check passes. If compute-sanitizer is on the PATH, it watches
the small shapes. Exits with 1 if a check fails and with 2 without a suitable GPU. With `--interpreted` and
TRITON_INTERPRET=1 the small shapes run on a CPU, which tests the checks themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from kernel_checks import Check

SMALL = {
    "vocab_size": 300, "hidden": 128, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 64, "intermediate": 192,
    "mask_id": 5, "end_id": 6, "pad_id": 7,
}  # fmt: skip
"""The sizes of a network that is small enough for the interpreter and for compute-sanitizer."""


def small_checks(device: torch.device, dtype: torch.dtype) -> Iterator[Check]:
    """Checks every kernel, a step, a drafter and short decoding at small shapes."""
    import drafting_checks as drafting
    import kernel_checks as kernels
    import step_checks as steps

    from evalharness.diffusion.kernels.shapes import QWEN_05B

    setting, config = kernels.Setting(device, dtype), replace(QWEN_05B, **SMALL)  # type: ignore[arg-type]
    normed = replace(config, qk_norm=True, qkv_bias=False, rotary=0.5)
    yield from kernels.check_products(setting, config, 5, "network")
    yield from kernels.check_products(setting, config, 17, "fp8")
    yield from kernels.check_products(setting, config, 17, "fp8-w8a8")
    yield from kernels.check_quantized_rows(setting, 3, config.intermediate)
    yield from kernels.check_norms(setting, config, 5)
    yield from kernels.check_qkv(setting, config, 2, 3)
    yield from kernels.check_qkv(setting, normed, 2, 3)
    yield from kernels.check_attention(setting, config, 2, 5, 130)
    yield from kernels.check_head(setting, config, 5, fp8=False)
    yield from kernels.check_head(setting, config, 6, fp8=True)
    yield from kernels.check_samples(setting, 4, 64)
    yield from steps.check_step(setting, config, 2, 9, 4)
    yield from steps.check_decoding(setting, config, 1, 6, ("threshold", steps.NEXT))
    yield from drafting.check_drafter(setting, config, 2, 9, 3, 64, 16)
    yield from drafting.check_speculation(setting, config, 2, 4, ("drafter",))


SANITIZER_S = 60
PARTS = 5
"""Processes that run checks in parallel; most of the time is compilation."""


def real_checks(device: torch.device, part: int) -> Iterator[Check]:
    """Checks every kernel at the shapes of real networks with several numbers of rows, and steps of some layers.

    This is one of `PARTS` parts; each part has some of the networks.
    """
    import drafting_checks as drafting
    import kernel_checks as kernels
    import step_checks as steps

    from evalharness.diffusion.kernels.shapes import MODELS, QWEN_05B, QWEN_7B

    setting = kernels.Setting(device, torch.bfloat16)
    for config in list(MODELS.values())[part::PARTS]:
        for rows in (1, 16, 33, 64, 130):
            yield from kernels.check_products(setting, config, rows, "network")
            yield from kernels.check_products(setting, config, rows, "fp8")
        for rows in (33, 256):
            yield from kernels.check_products(setting, config, rows, "fp8-w8a8")
            yield from kernels.check_quantized_rows(setting, rows, config.intermediate)
        for sequences, size in ((1, 32), (3, 17), (8, 64)):
            yield from kernels.check_norms(setting, config, sequences * size)
            yield from kernels.check_qkv(setting, config, sequences, size)
            for capacity in (64, 1056, 4000):
                yield from kernels.check_attention(setting, config, sequences, size, capacity)
        for rows, fp8 in ((1, False), (32, False), (70, False), (32, True)):
            yield from kernels.check_head(setting, config, rows, fp8)
        causal = replace(config, layers=4, attention="causal")
        for sequences, context in ((1, 1024), (4, 200)):
            yield from steps.check_step(setting, causal, sequences, context, 32)
        if config.attention == "causal":
            for sequences, block, vocabulary in ((1, 5, 8192), (8, 15, 32_768)):
                yield from drafting.check_drafter(setting, config, sequences, 300, block, vocabulary, 128)
    small = replace(QWEN_05B, **SMALL | {"hidden": 256, "vocab_size": 2000})  # type: ignore[arg-type]
    if part == 0:
        whole = replace(small, attention="bidirectional", shift=True)
        yield from steps.check_decoding(setting, whole, 2, 48, ("confidence", "entropy"))
    if part == 1:
        yield from kernels.check_samples(setting, 64, 64)
        yield from steps.check_memory(setting, replace(QWEN_7B, layers=2))
        yield from steps.check_bundled(setting)
    if part in (2, 3):
        yield from steps.check_decoding(setting, small, 1 if part == 2 else 5, limit=96)
        yield from drafting.check_speculation(setting, small, 1 if part == 2 else 5, limit=96)


def sanitized() -> tuple[bool, str]:
    """Whether compute-sanitizer found a fault at the small shapes, and its message."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return False, "is not on the PATH: memory accesses are not checked"
    command = [tool, "--error-exitcode", "9", sys.executable, __file__, "--small"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SANITIZER_S)
    except subprocess.TimeoutExpired:
        return False, f"did not finish within {SANITIZER_S} s: memory accesses are not checked"
    return bool(done.returncode), (done.stdout + done.stderr)[-3000:] if done.returncode else "found nothing"


def _refuse(reason: str) -> int:
    print(f"gpu_check: {reason}", file=sys.stderr)
    return 2


def begin_parts(folder: Path) -> dict[Path, subprocess.Popen[bytes]]:
    """Starts all parts; returns the process and the output file of each."""
    command = [sys.executable, __file__, "--part"]
    files = {str(part): folder / f"{part}.json" for part in range(PARTS)}
    return {
        file: subprocess.Popen([*command, part, "--out", str(file)], stdout=subprocess.DEVNULL)
        for part, file in files.items()
    }


def end_parts(parts: dict[Path, subprocess.Popen[bytes]], deadline: float) -> tuple[list[dict[str, Any]], list[str]]:
    """The results of all parts and their failures; ends parts that exceed the deadline."""
    failures = []
    for file, process in parts.items():
        try:
            if process.wait(max(1.0, deadline - time.monotonic())) not in (0, 1) or not file.exists():
                failures.append(f"part {file.stem} ended with {process.returncode}")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            failures.append(f"part {file.stem} did not finish in time")
    return [row for file in parts if file.exists() for row in json.loads(file.read_text())["checks"]], failures


def run(checks: Iterable[Check], out: Path | None, name: str) -> list[dict[str, Any]]:
    """Runs the checks and writes the results after each, so that none are lost."""
    rows = []
    for check in checks:
        rows.append(asdict(check) | {"passed": check.passed})
        if out:
            write(out, name, rows, "")
        if torch.cuda.is_available():
            # The other parts need memory at the same time.
            torch.cuda.empty_cache()
    return rows


def write(out: Path, name: str, rows: list[dict[str, Any]], message: str) -> None:
    """Writes the results as JSON."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"device": name, "checks": rows, "sanitizer": message}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="check only small shapes")
    parser.add_argument(
        "--interpreted", action="store_true", help="check small shapes on a CPU in Triton's interpreter"
    )
    parser.add_argument("--part", type=int, choices=range(PARTS), help="check only one part of the real shapes")
    parser.add_argument("--minutes", type=float, default=4.0, help="minutes after which parts are ended")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    args = parser.parse_args()
    if args.interpreted and os.environ.get("TRITON_INTERPRET") != "1":
        sys.exit(_refuse("set TRITON_INTERPRET=1 for --interpreted"))
    if not args.interpreted and not (torch.cuda.is_available() and torch.cuda.get_device_capability()[0] == 9):
        sys.exit(_refuse("this machine has no Hopper GPU (compute capability 9.0); run it on an H100 or H200"))
    torch.manual_seed(0)
    start = time.monotonic()
    device = torch.device("cpu" if args.interpreted else "cuda:0")
    name = "Triton's interpreter" if args.interpreted else torch.cuda.get_device_name()
    failures: list[str] = []
    if args.interpreted:
        torch.set_num_threads(1)
        rows = run(small_checks(device, torch.float32), args.out, name)
    elif args.small:
        rows = run(small_checks(device, torch.bfloat16), args.out, name)
    elif args.part is not None:
        rows = run(real_checks(device, args.part), args.out, name)
    else:
        with tempfile.TemporaryDirectory() as folder:
            parts = begin_parts(Path(folder))
            rows = run(small_checks(device, torch.bfloat16), args.out, name)
            more, failures = end_parts(parts, start + 60 * args.minutes)
            rows += more

    table = Table("", "check", "shape", "error / rounding")
    for row in rows:
        table.add_row("ok" if row["passed"] else "FAILED", row["name"], row["shape"], f"{row['error']:.3g}")
    Console(width=120).print(table)
    failed = [row for row in rows if not row["passed"]]
    whole = not (args.small or args.interpreted or args.part is not None)
    caught, message = sanitized() if whole else (False, "")
    print(f"{len(rows)} checks on {name}, {len(failed)} failed; {time.monotonic() - start:.0f} s")
    for line in failures:
        print(f"incomplete: {line}")
    if message:
        print(f"compute-sanitizer {message}")
    if args.out:
        write(args.out, name, rows, message)
    sys.exit(1 if failed or caught or failures else 0)


if __name__ == "__main__":
    main()
