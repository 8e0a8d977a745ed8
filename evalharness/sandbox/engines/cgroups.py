"""Control groups for containers that no engine makes them for: version 1 or 2, where this user may make some."""

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "evalharness"
PERIOD_US = 100_000


class Group:
    """A group with limits. `missing` names the limits that could not be set here."""

    def __init__(self, name: str, memory_mb: int, pids: int, cpus: float):
        self.folders: list[Path] = []
        self.missing = {"memory", "pids", "cpu"}
        memory, quota = str(memory_mb << 20), str(int(cpus * PERIOD_US))
        if (ROOT / "cgroup.controllers").exists():
            self._make(
                _own_folder() / name,
                {"memory": {"memory.max": memory, "memory.swap.max": "0"}, "pids": {"pids.max": str(pids)}}
                | {"cpu": {"cpu.max": f"{quota} {PERIOD_US}"}},
            )
        else:
            both = {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory}
            self._make(ROOT / "memory" / name, {"memory": both})
            self._make(ROOT / "pids" / name, {"pids": {"pids.max": str(pids)}})
            self._make(ROOT / "cpu" / name, {"cpu": {"cpu.cfs_quota_us": quota}})

    def _make(self, folder: Path, limits: dict[str, dict[str, str]]) -> None:
        try:
            folder.mkdir()
        except OSError:
            return
        self.folders.append(folder)
        for what, settings in limits.items():
            done = [_write(folder / key, value) for key, value in settings.items()]
            if done[0]:  # the rest, such as swap, may be unknown to this kernel
                self.missing.discard(what)

    def enter(self) -> None:
        """Puts the calling process, and all that it will start, into the group."""
        for folder in self.folders:
            _write(folder / "cgroup.procs", str(os.getpid()))

    def cpu_s(self) -> float | None:
        """Seconds of processor used in the group; None under version 1, which counts them in another place."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                for line in (folder / "cpu.stat").read_text().splitlines():
                    if line.startswith("usage_usec "):
                        return int(line.split()[1]) / 1e6
        return None

    def remove(self) -> None:
        """Removes the group; what still runs in it is killed."""
        for folder in self.folders:
            _remove(folder)


def remove_left(alive: frozenset[int]) -> int:
    """Removes the groups of harnesses whose process is not in `alive`, and returns how many there were."""
    removed = 0
    for folder in {*ROOT.glob(f"{PREFIX}-*"), *ROOT.glob(f"*/{PREFIX}-*"), *_own_folder().glob(f"{PREFIX}-*")}:
        pid = folder.name.split("-")[1]
        if not pid.isdigit() or int(pid) not in alive:
            _remove(folder)
            removed += 1
    return removed


def _own_folder() -> Path:
    """The version 2 group that this process is in, below which it may have been given leave to make others."""
    with contextlib.suppress(OSError, IndexError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                return ROOT / line[3:].lstrip("/")
    return ROOT


def _write(file: Path, text: str) -> bool:
    try:
        file.write_text(text)
    except OSError:
        return False
    return True


def _remove(folder: Path) -> None:
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
