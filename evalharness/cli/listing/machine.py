"""The checks of `doctor` that concern the machine: GPU, memory and disk space."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalharness.util.extras import is_installed

GIB = 2**30
LOW_MEMORY_BYTES = 4 * GIB
LOW_DISK_BYTES = 10 * GIB
"""With less free space, a note names what needs it."""
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class CheckResult:
    """The result of one check of `evalharness doctor`."""

    ok: bool
    text: str
    required: bool = True
    """Whether nothing runs without it."""

    @property
    def label(self) -> str:
        """The word that the printed line of the check begins with: "ok", "MISSING" or "note"."""
        return "ok" if self.ok else "MISSING" if self.required else "note"


def machine_check_results() -> Iterator[CheckResult]:
    """Checks for GPUs that PyTorch can use, memory, and free disk space; yields the result of each check."""
    yield _check_gpus()
    yield _check_memory()
    yield from _check_disk_space()


def _check_gpus() -> CheckResult:
    """Checks which GPUs PyTorch can use; without one, the result is a note that names the reason."""
    if not is_installed("torch"):
        return CheckResult(False, "GPU: unknown, since the package torch is not installed", required=False)
    import torch

    if torch.cuda.is_available():
        devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        names = ", ".join(f"{device.name} ({device.total_memory / GIB:.0f} GiB)" for device in devices)
        return CheckResult(True, f"GPU {names}")
    if torch.backends.mps.is_available():
        return CheckResult(True, "Apple GPU (device mps)")
    if shutil.which("nvidia-smi"):
        hint = "install a build of PyTorch for the driver's version of CUDA"
        return CheckResult(False, f"GPU: torch {torch.__version__} cannot use the driver; {hint}", required=False)
    return CheckResult(False, "no GPU: local models run on the CPU; endpoints and grading need none", required=False)


def _check_memory() -> CheckResult:
    total, available = total_and_available_memory_bytes()
    text = f"memory {total / GIB:.1f} GiB, {available / GIB:.1f} GiB available, {os.cpu_count()} CPU cores"
    enough = available >= LOW_MEMORY_BYTES
    remedy = "" if enough else "; use fewer --workers, or end other programs"
    return CheckResult(enough, text + remedy, required=False)


def total_and_available_memory_bytes() -> tuple[int, int]:
    """Returns (total, available) memory in bytes; the total is the control group's limit if that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = total
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    with contextlib.suppress(OSError, ValueError):
        total = min(total, int(CGROUP_LIMIT.read_text()))
    return total, min(total, available)


def _check_disk_space() -> Iterator[CheckResult]:
    """Checks the free space of each file system for results, downloads or caches; yields one result for each."""
    uses = {
        "results": Path.cwd(),
        "model and data downloads": Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser(),
        "caches": Path(os.environ.get("EVALHARNESS_CACHE", "~/.cache/evalharness")).expanduser(),
        "sandbox images": Path("/var/lib/docker"),
    }
    by_device: dict[int, tuple[Path, list[str]]] = {}
    for use, path in uses.items():
        existing = next(folder for folder in (path, *path.parents) if folder.exists())
        by_device.setdefault(existing.stat().st_dev, (existing, []))[1].append(use)
    for folder, used_for in by_device.values():
        free = shutil.disk_usage(folder).free
        text = f"disk {free / GIB:.0f} GiB free for {', '.join(used_for)} ({folder})"
        enough = free >= LOW_DISK_BYTES
        yield CheckResult(enough, text + ("" if enough else "; free some space"), required=False)
