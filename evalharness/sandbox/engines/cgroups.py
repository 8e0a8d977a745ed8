"""Linux control groups (v1 or v2) that limit bubblewrap containers, if this user may create them."""

import contextlib
import os
import time
from pathlib import Path

from evalharness.sandbox.agent.shared.processor_time import USAGE_FILES, parse_cpu_seconds

CGROUP_ROOT = Path("/sys/fs/cgroup")
GROUP_NAME_PREFIX = "evalharness"
QUOTA_PERIOD_US = 100_000
"""The scheduler period of a CPU quota, in microseconds."""


class ControlGroup:
    """A Linux control group that limits one container.

    `missing` has the names of the limits (memory, pids, cpu) that could not be set.
    """

    def __init__(self, name: str, memory_mb: int, max_pids: int, cpus: float):
        self.folders: list[Path] = []
        self.missing = {"memory", "pids", "cpu"}
        memory, quota = str(memory_mb << 20), str(int(cpus * QUOTA_PERIOD_US))
        if (CGROUP_ROOT / "cgroup.controllers").exists():
            self._make_group(
                _own_group_folder() / name,
                {"memory": {"memory.max": memory, "memory.swap.max": "0"}, "pids": {"pids.max": str(max_pids)}}
                | {"cpu": {"cpu.max": f"{quota} {QUOTA_PERIOD_US}"}},
            )
        else:
            both = {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory}
            self._make_group(CGROUP_ROOT / "memory" / name, {"memory": both})
            self._make_group(CGROUP_ROOT / "pids" / name, {"pids": {"pids.max": str(max_pids)}})
            self._make_group(CGROUP_ROOT / "cpu" / name, {"cpu": {"cpu.cfs_quota_us": quota}})
            self._make_group(CGROUP_ROOT / "cpuacct" / name, {})

    def _make_group(self, folder: Path, settings_by_limit: dict[str, dict[str, str]]) -> None:
        """Creates the group `folder`, if permitted, and writes each limit's settings {file name: content}."""
        try:
            folder.mkdir()
        except OSError:
            return
        self.folders.append(folder)
        for name, settings in settings_by_limit.items():
            written = [_try_to_write(folder / key, value) for key, value in settings.items()]
            if written[0]:  # the kernel may not know the others, such as swap
                self.missing.discard(name)

    def enter(self) -> None:
        """Moves the calling process, and its future children, into the control group."""
        for folder in self.folders:
            _try_to_write(folder / "cgroup.procs", str(os.getpid()))

    def cpu_time_file(self) -> Path | None:
        """Returns the path of the file in which the kernel reports the group's CPU time; None if it reports none."""
        files = (folder / name for name in USAGE_FILES for folder in self.folders)
        return next((file for file in files if file.exists()), None)

    def cpu_s(self) -> float | None:
        """Returns the CPU seconds that the control group has used; None if unknown."""
        file = self.cpu_time_file()
        with contextlib.suppress(OSError):
            return parse_cpu_seconds(file.read_bytes()) if file else None
        return None

    def lower_priority(self) -> None:
        """Lowers the control group's CPU weight to a quarter of the default."""
        for folder in self.folders:
            for name, share in (("cpu.shares", "256"), ("cpu.weight", "25")):
                if (folder / name).exists():
                    _try_to_write(folder / name, share)

    def remove(self) -> None:
        """Kills all processes in the control group, then removes the group."""
        for folder in self.folders:
            _remove_group(folder)


def remove_orphaned_groups() -> int:
    """Removes the control groups of harness processes that have ended; returns the number of removed groups.

    A group's name contains the id of the harness process that created it.
    """
    folders = {
        *CGROUP_ROOT.glob(f"{GROUP_NAME_PREFIX}-*"),
        *CGROUP_ROOT.glob(f"*/{GROUP_NAME_PREFIX}-*"),
        *_own_group_folder().glob(f"{GROUP_NAME_PREFIX}-*"),
    }
    # After the groups, so that a process that creates a group meanwhile is among the running ones.
    running_pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    removed = 0
    for folder in folders:
        pid = folder.name.split("-")[1]
        if not pid.isdigit() or int(pid) not in running_pids:
            _remove_group(folder)
            removed += 1
    return removed


def _own_group_folder() -> Path:
    """Returns the folder of this process's v2 control group, or /sys/fs/cgroup if the group is unknown."""
    with contextlib.suppress(OSError, IndexError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                return CGROUP_ROOT / line[3:].lstrip("/")
    return CGROUP_ROOT


def _try_to_write(file: Path, text: str) -> bool:
    try:
        file.write_text(text)
    except OSError:
        return False
    return True


def _remove_group(folder: Path) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError):
            for pid in (folder / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), 9)
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return
