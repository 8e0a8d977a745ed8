"""What a run says of itself: the configuration that decides its numbers, and the machine it ran on."""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evalharness import __version__
from evalharness.adapters import TaskContext
from evalharness.pipeline.executors import Sandboxes
from evalharness.records import Backend, Sampling

AROUND = ("engine", "runtime", "allowed_to_lack", "cluster")
"""What the sandbox says of itself that changes no verdict; a run may be resumed with another."""
PACKAGES = ("torch", "transformers", "datasets", "evalplus", "docker", "numpy")


def configuration(
    context: TaskContext,
    backend: Backend,
    model: str | None,
    sampling: Sampling,
    sandbox: Sandboxes,
    samples: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that can change a number; a run is resumed only under an equal one.

    `samples` says which were asked for: `n`, `limit`, or that a file names them.
    """
    return {
        "task": context.describe(),
        "backend": {"name": backend.name, "model": model, **backend.describe()},
        "sampling": asdict(sampling),
        "samples": dict(samples),
        "sandbox": {key: value for key, value in sandbox.describe().items() if key not in AROUND},
        "evalharness": __version__,
    }


def environment(workers: int, sandbox: Sandboxes, copies: int = 1) -> dict[str, Any]:
    """The machine and the software around the run, several copies of its backend too. May differ when it is resumed."""
    around = {key: value for key, value in sandbox.describe().items() if key in AROUND}
    return {**machine(), "sandbox": around, "workers": workers, **({"copies": copies} if copies > 1 else {})}


def machine() -> dict[str, Any]:
    """When and how the command was begun, on which software and hardware."""
    return {
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": [without_secrets(word) for word in sys.argv],
        "git": git_version(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _package(name))},
        "hardware": hardware(),
    }


def without_secrets(word: str) -> str:
    """A word of the command line without the login and the query of an address in it."""
    if "://" not in word:
        return word
    return re.sub(r"\?.*", "?***", re.sub(r"://[^/@\s]*@", "://***@", word))


def hardware() -> dict[str, Any]:
    """Processor, cores, clocks, memory and, where torch is loaded already, accelerators."""
    found: dict[str, Any] = {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cpu_mhz": _mhz(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found |= {"accelerator_clocks": clocks} if (clocks := _accelerator_clocks()) else {}
        found["accelerators"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return found


def git_version() -> str | None:
    """The commit of the checkout that the package runs from, with "+changes" if it was changed; None elsewhere."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(folder, "status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *words: str) -> str:
    result = subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return result.stdout.strip()


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _mhz() -> float | None:
    """The clock that the cores may reach, else the fastest at the moment, MHz; None where the system does not tell."""
    try:
        return int(Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").read_text()) / 1000
    except (OSError, ValueError):
        pass
    try:
        found = re.findall(r"^cpu MHz\s*:\s*([\d.]+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return max(map(float, found), default=None)


def _accelerator_clocks() -> str | None:
    """What the driver tells of the accelerators' clocks and power limit, as text; None where it does not."""
    fields = "clocks.sm,clocks.max.sm,clocks.mem,power.limit"
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return "; ".join(f"{fields.replace('.', ' ')}: {line.strip()}" for line in result.stdout.splitlines()) or None
