"""The processor time that a control group has counted, of all of its processes, also those that nobody waited for."""

import contextlib
import os

USAGE_FILES = ("cpuacct.usage", "cpu.stat")
"""The names of files with the processor time, in groups of version 1 and 2."""
FOLDERS = ("/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup")
"""Where a container has its own group's files."""

_files: list[int] = []
"""The descriptor of the file, once it is open."""


def processor_s(content: bytes) -> float | None:
    """Returns the seconds that such a file states; None if it states none."""
    lines = [line.split() for line in content.splitlines()]
    if len(lines) == 1 and len(lines[0]) == 1:
        return int(lines[0][0]) / 1e9
    return next((int(words[1]) / 1e6 for words in lines if words[0] == b"usage_usec"), None)


def open_file() -> bool:
    """Opens the file of this container's group, before samples' view of it is closed. Returns False without one."""
    for folder in FOLDERS:
        for name in USAGE_FILES:
            with contextlib.suppress(OSError, ValueError, IndexError):
                descriptor = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC)
                if processor_s(os.read(descriptor, 4096)) is not None:
                    _files.append(descriptor)
                    return True
                os.close(descriptor)
    return False


def group_s() -> float | None:
    """Returns the processor time of the container's group in seconds; None if it is not counted."""
    return processor_s(os.pread(_files[0], 4096, 0)) if _files else None
