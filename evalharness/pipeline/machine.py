"""Describes process, software and hardware of this machine, for a run's manifest."""

import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evalharness.data.run_types import Environment, Hardware

RECORDED_PACKAGES = ("torch", "transformers", "datasets", "evalplus", "docker", "numpy")
"""Packages whose versions a manifest names."""


def describe_current_process() -> Environment:
    """Returns the start time, command line, software versions and hardware of this process."""
    return {
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": [redact_url_secrets(word) for word in sys.argv],
        "git": find_git_commit(),
        "python": platform.python_version(),
        "packages": {name: installed for name in RECORDED_PACKAGES if (installed := _package_version(name))},
        "hardware": machine_hardware(),
    }


def redact_url_secrets(argument: str) -> str:
    """Returns a command-line argument with asterisks instead of the login and the query of each URL in it."""
    if "://" not in argument:
        return argument
    return re.sub(r"\?.*", "?***", re.sub(r"://[^/@\s]*@", "://***@", argument))


def machine_hardware() -> Hardware:
    """Returns the processor, cores, clock and memory of this machine, and its GPUs if torch is imported already."""
    hardware: Hardware = {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "cpu_mhz": _processor_mhz(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        if clocks := _query_gpu_clocks_and_power_limits():
            hardware["accelerator_clocks"] = clocks
        hardware["accelerators"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return hardware


def find_git_commit() -> str | None:
    """Returns the commit of the git checkout that the package runs from; None if it does not run from one.

    "+changes" is appended if files differ from the commit.
    """
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        commit = _run_git(folder, "rev-parse", "HEAD")
        return commit + ("+changes" if _run_git(folder, "status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _run_git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return result.stdout.strip()


def _package_version(package_name: str) -> str | None:
    try:
        return version(package_name)
    except PackageNotFoundError:
        return None


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _processor_mhz() -> float | None:
    """Returns the maximum clock frequency of the CPU in MHz.

    If it is not known, returns the current frequency of the fastest core, or None if that is not known either.
    """
    try:
        return int(Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").read_text()) / 1000
    except (OSError, ValueError):
        pass
    try:
        clocks = re.findall(r"^cpu MHz\s*:\s*([\d.]+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return max(map(float, clocks), default=None)


def _query_gpu_clocks_and_power_limits() -> str | None:
    """Returns the clocks and power limits of the GPUs as nvidia-smi reports them; None if nvidia-smi fails."""
    fields = "clocks.sm,clocks.max.sm,clocks.mem,power.limit"
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return "; ".join(f"{fields.replace('.', ' ')}: {line.strip()}" for line in result.stdout.splitlines()) or None
