"""Compiles kernels for Hopper without a GPU and checks their machine code."""

import functools
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

HOPPER = GPUTarget("cuda", 90, 32)
SHARED_LIMIT = 227 * 1024
TOOL = Path(triton.__path__[0]) / "backends" / "nvidia" / "bin" / "cuobjdump"
TYPES = {
    torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32", torch.float8_e4m3fn: "fp8e4nv",
    torch.int32: "i32", torch.int64: "i64", torch.uint8: "u8", torch.int8: "i8", torch.bool: "i1",
}  # fmt: skip
OPTIONS = ("num_warps", "num_stages", "launch_pdl", "maxnreg")


@dataclass(frozen=True)
class Binary:
    """A kernel's machine code and resources: registers per thread, bytes of shared memory and stack, threads."""

    name: str
    sass: str
    registers: int
    shared: int
    stack: int
    threads: int

    def fit(self, programs: int) -> bool:
        """Whether that many of its programs fit on one multiprocessor at the same time."""
        # Registers are allocated in units of 8 per thread; each program has 1 KiB of shared memory in addition to its
        # own.
        registers = programs * self.threads * (-(-self.registers // 8) * 8)
        return registers <= 65536 and programs * (self.shared + 1024) <= 228 * 1024


def binaries(launch: Callable[[], object]) -> list[Binary]:
    """The kernels that `launch` launches, compiled as on a GPU, including programmatic dependent launch.

    Tensors may be on PyTorch's device "meta": real shapes that take no memory.
    """
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []

    def record(kernel: Any, *arguments: Any, grid: Any, warmup: bool, **named: Any) -> None:
        assert all(0 < size < 2**31 for size in grid), f"a grid of {grid}"
        assert all(size < 2**16 for size in grid[1:]), f"a grid of {grid}"
        calls.append((kernel, arguments, named))

    with patch.object(JITFunction, "run", record):
        launch()
    assert calls, "nothing was launched"
    return [_compile(*call) for call in calls]


def _compile(kernel: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Binary:
    options = {name: named.pop(name) for name in OPTIONS if name in named}
    values = dict(zip(kernel.arg_names, arguments, strict=False)) | named
    if "PDL" in values:
        values["PDL"] = options["launch_pdl"] = True
    fixed = {parameter.name for parameter in kernel.params if parameter.is_constexpr}
    signature, constants, attributes = {}, {}, {}
    for place, name in enumerate(kernel.arg_names):
        value = values[name]
        general = name in kernel.do_not_specialize
        if name in fixed or value is None or (isinstance(value, int) and value == 1 and not general):
            signature[name], constants[name] = "constexpr", value
        elif isinstance(value, torch.Tensor):
            signature[name] = "*" + TYPES[value.dtype]
            attributes[(place,)] = [["tt.divisibility", 16]]
        elif isinstance(value, int):
            signature[name] = "i32" if abs(value) < 2**31 else "i64"
            if value % 16 == 0 and not general:
                attributes[(place,)] = [["tt.divisibility", 16]]
        else:
            signature[name] = "fp32"
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=attributes)
    compiled = triton.compile(source, target=HOPPER, options=options)
    sass, usage = _disassembled(compiled.asm["cubin"])
    figures = {key: int(value) for key, value in re.findall(r"\b(REG|STACK):(\d+)", usage)}
    threads = 32 * compiled.metadata.num_warps
    return Binary(kernel.__name__, sass, figures["REG"], compiled.metadata.shared, figures["STACK"], threads)


@functools.cache
def _disassembled(cubin: bytes) -> tuple[str, str]:
    """The machine code and the resource usage; cached, because networks share many kernels."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        sass, usage = (
            subprocess.run([TOOL, option, file.name], capture_output=True, text=True, check=True).stdout
            for option in ("-sass", "-res-usage")
        )
    return sass, usage


def faults(binary: Binary, matrix: bool) -> list[str]:
    """The faults of a kernel; `matrix` says whether it should use the matrix unit. Empty if there are none."""
    found = []
    instructions = set(re.findall(r"\b[A-Z][A-Z0-9]+\b", binary.sass))
    if matrix and not instructions & {"HGMMA", "QGMMA"}:
        found.append("no HGMMA or QGMMA: the matrix unit of Hopper is not used")
    if instructions & {"HMMA", "QMMA", "IMMA"}:
        found.append("HMMA: a product fell back to the matrix instructions of older devices")
    if instructions & {"LDL", "STL"} or binary.stack:
        found.append(f"registers are spilled: {binary.stack} bytes of stack")
    if binary.shared > SHARED_LIMIT:
        found.append(f"{binary.shared} bytes of shared memory; a block has at most {SHARED_LIMIT}")
    return [f"{binary.name}: {fault}" for fault in found]
