"""Compiles kernels for Hopper without a device, and reads in the machine code whether they are what they should be."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

HOPPER = GPUTarget("cuda", 90, 32)
SHARED_LIMIT = 227 * 1024
TOOL = Path(triton.__path__[0]) / "backends" / "nvidia" / "bin" / "cuobjdump"


@dataclass(frozen=True)
class Binary:
    """A kernel's machine code, and what it takes: registers per thread, bytes of shared memory and of stack."""

    name: str
    sass: str
    ptx: str
    registers: int
    shared: int
    stack: int


def build(
    kernel: Any, types: dict[str, str], constants: dict[str, Any], warps: int, stages: int = 3, pdl: bool = True
) -> Binary:
    """The kernel for arguments of these `types` ("*bf16", "i32", ...) and constants; pointers are aligned to 16 bytes,
    and integers whose type is written "i32:16" are multiples of 16."""
    signature, attributes = {}, {}
    for place, name in enumerate(kernel.arg_names):
        written = "constexpr" if name in constants else types[name]
        signature[name], _, divisor = written.partition(":")
        if written.startswith("*") or divisor == "16":
            attributes[(place,)] = [["tt.divisibility", 16]]
    options = {"num_warps": warps, "num_stages": stages, "launch_pdl": pdl}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=attributes)
    compiled = triton.compile(source, target=HOPPER, options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        sass, usage = (
            subprocess.run([TOOL, option, file.name], capture_output=True, text=True, check=True).stdout
            for option in ("-sass", "-res-usage")
        )
    figures = {key: int(value) for key, value in re.findall(r"\b(REG|STACK):(\d+)", usage)}
    name = kernel.__name__
    return Binary(name, sass, compiled.asm["ptx"], figures["REG"], compiled.metadata.shared, figures["STACK"])


def faults(binary: Binary, matrix: bool) -> list[str]:
    """What is wrong with a kernel; `matrix`: whether it is to use the matrix unit. Empty where all is well."""
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
