"""The CPU time of a control group: of all its processes, including ended ones."""

import contextlib
import os

USAGE_FILES = ("cpuacct.usage", "cpu.stat")
"""Names of files with the CPU time, in control groups v1 and v2."""
CONTROL_GROUP_FOLDERS = ("/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup")
"""Folders where a container finds its own control group's files."""

_files: list[int] = []
"""The descriptor of the opened file."""


def parse_cpu_seconds(content: bytes) -> float | None:
    """Returns the CPU seconds in the content of a control group's file (cgroup v1 or v2); None if it contains none."""
    lines = [line.split() for line in content.splitlines()]
    if len(lines) == 1 and len(lines[0]) == 1:
        return int(lines[0][0]) / 1e9
    return next((int(words[1]) / 1e6 for words in lines if words[0] == b"usage_usec"), None)


def open_cpu_time_file() -> bool:
    """Opens the CPU-time file of this container's control group. Returns False if there is none.

    Call it before static files replace /sys, because later the file is not visible.
    """
    for folder in CONTROL_GROUP_FOLDERS:
        for name in USAGE_FILES:
            with contextlib.suppress(OSError, ValueError, IndexError):
                descriptor = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC)
                if parse_cpu_seconds(os.read(descriptor, 4096)) is not None:
                    _files.append(descriptor)
                    return True
                os.close(descriptor)
    return False


def control_group_cpu_s() -> float | None:
    """Returns the CPU seconds of the container's control group; None if `open_cpu_time_file` could open no file."""
    return parse_cpu_seconds(os.pread(_files[0], 4096, 0)) if _files else None
