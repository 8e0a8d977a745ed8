"""Static files that replace /sys and the machine's counters in /proc, for programs that read the machine's size.

Real counters would carry information between samples: one run changes them, by work, processes or files, and a later
one reads them.
"""

import contextlib
import os
import re

COPIED_FILES = (
    *("proc/cmdline", "proc/cpuinfo", "proc/devices", "proc/filesystems", "proc/version", "proc/misc"),
    *("proc/sys/kernel/osrelease", "proc/sys/kernel/ostype", "proc/sys/kernel/version", "proc/sys/kernel/hostname"),
    *("proc/sys/kernel/pid_max", "proc/sys/kernel/threads-max", "proc/sys/kernel/cap_last_cap"),
    *("proc/sys/kernel/ngroups_max", "proc/sys/kernel/overflowuid", "proc/sys/kernel/overflowgid"),
    *("proc/sys/kernel/random/boot_id", "proc/sys/kernel/core_pattern", "proc/sys/kernel/yama/ptrace_scope"),
    *("proc/sys/vm/overcommit_memory", "proc/sys/vm/max_map_count", "proc/sys/fs/file-max", "proc/sys/fs/nr_open"),
    *("proc/sys/fs/pipe-max-size", "proc/sys/net/core/somaxconn"),
    *("sys/devices/system/cpu/online", "sys/devices/system/cpu/possible", "sys/devices/system/cpu/present"),
    *("sys/kernel/mm/transparent_hugepage/enabled", "sys/kernel/mm/transparent_hugepage/hpage_pmd_size"),
)
"""Files whose content no ordinary user can change."""
LIMIT_FILES = (
    *("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.use_hierarchy"),
    *("memory.max", "memory.high", "memory.swap.max", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"),
    *("cpu.max", "cpu.weight", "cpuset.cpus", "cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.mems"),
    *("pids.max", "cgroup.controllers"),
)
"""Files of control groups that state limits, by which runtimes such as Java's choose their size."""


def write_static_files(folder: str) -> None:
    """Writes, below `folder`, the files that replace files of /proc and /sys; also an empty file and an empty folder.

    The empty ones are `folder`/empty/file and `folder`/empty/folder.
    """
    for path in COPIED_FILES:
        with contextlib.suppress(OSError), open(f"/{path}") as file:
            _write_read_only_file(f"{folder}/{path}", re.sub(r"(?m)^(cpu MHz\s*: ).*", r"\g<1>1000.000", file.read()))
    for group in _control_group_folders():
        for name in LIMIT_FILES:
            with contextlib.suppress(OSError), open(f"{group}/{name}") as file:
                _write_read_only_file(f"{folder}{group}/{name}", file.read())
    for name, text in _proc_contents_of_idle_machine().items():
        _write_read_only_file(f"{folder}/proc/{name}", text)
    os.makedirs(f"{folder}/sys", exist_ok=True)
    os.makedirs(f"{folder}/empty/folder")
    _write_read_only_file(f"{folder}/empty/file", "")


def _write_read_only_file(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o444)


def _control_group_folders() -> list[str]:
    """Returns the folders below /sys where control groups are mounted."""
    with open("/proc/self/mounts") as file:
        mounts = [line.split() for line in file]
    return [path for _, path, kind, *_ in mounts if kind in ("cgroup", "cgroup2") and path.startswith("/sys/")]


def _proc_contents_of_idle_machine() -> dict[str, str]:
    """Returns the contents of the /proc files about size and load of the machine, as if it were idle, by file name."""
    with open("/proc/meminfo") as file:
        total = next(line.split()[1] for line in file if line.startswith("MemTotal"))
    with open("/proc/stat") as file:
        lines = file.read().splitlines()
    cpus = [line.split()[0] for line in lines if line.startswith("cpu")]
    started = next((line for line in lines if line.startswith("btime")), "btime 0")
    unused = ("Buffers", "Cached", "SwapCached", "Active", "Inactive", "Dirty", "Mapped", "Shmem", "Slab")
    memory = [("MemTotal", total), ("MemFree", total), ("MemAvailable", total), *((name, "0") for name in unused)]
    memory += [("SwapTotal", "0"), ("SwapFree", "0")]
    return {
        "loadavg": "0.00 0.00 0.00 1/1 1\n",
        "meminfo": "".join(f"{f'{name}:':<16}{size:>8} kB\n" for name, size in memory),
        "stat": "".join(f"{name} 0 0 0 0 0 0 0 0 0 0\n" for name in cpus)
        + f"intr 0\nctxt 0\n{started}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\nsoftirq 0\n",
        "swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
        "uptime": "1.00 1.00\n",
    }
