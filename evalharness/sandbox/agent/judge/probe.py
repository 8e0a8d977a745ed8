"""Tests from inside a container which guarantees of the sandbox (no network, memory limit ...) hold."""

import contextlib
import os
import socket
import stat
from collections.abc import Callable

from ..shared import syscalls
from ..shared.clock import Stopwatch

ALLOWED_CAPABILITIES = 1 << 5 | 1 << 6 | 1 << 7
"""KILL, SETGID and SETUID, with which the agent changes to the sample's user and ends its processes."""
UNLIMITED = 1 << 60
"""Limits of at least this value count as no limit."""
ENGINE_SOCKETS = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
)
MAX_FOLDER_BYTES = 4 << 30
"""Most bytes of a writable folder."""
OTHER_UID = 65000
"""An unprivileged user id for the tests."""


def check_sandbox_guarantees() -> dict[str, bool]:
    """Tests each guarantee of the sandbox (`network-off` ...); returns by name whether it holds in this container."""
    status = _read_process_status()
    return {
        "network-off": _has_no_network(),
        "read-only-root": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        "own-processes": os.getpid() == 1,
        "user-separation": _can_change_user(),
        "few-capabilities": int(status.get("CapPrm", "f" * 16), 16) & ~ALLOWED_CAPABILITIES == 0,
        "no-new-privileges": status.get("NoNewPrivs") == "1",
        "system-call-filter": syscalls.is_seccomp_filter_supported(),
        "memory-limit": _smallest_cgroup_limit("memory/memory.limit_in_bytes", "memory.max") < UNLIMITED,
        "process-limit": _smallest_cgroup_limit("pids/pids.max", "pids.max") < UNLIMITED,
        "file-limit": _has_bounded_size("/tmp") and _has_bounded_size("/dev/shm"),
        "no-engine-socket": not any(os.path.exists(path) for path in ENGINE_SOCKETS),
        "idle-clock": Stopwatch().exact,
    }


def has_read_only_devices() -> bool:
    """Returns whether an unprivileged user cannot change the time stamps of any device node in /dev."""
    nodes = [entry.path for entry in os.scandir("/dev") if stat.S_ISCHR(entry.stat(follow_symlinks=False).st_mode)]
    return _succeeds_as_unprivileged_user(lambda: _update_any_timestamp(nodes)) is False


def _update_any_timestamp(paths: list[str]) -> None:
    """Sets the time stamps of one of these files to now. Raises PermissionError if this fails for all of them."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.utime(path)
            return
    raise PermissionError


def _read_process_status() -> dict[str, str]:
    with open("/proc/self/status") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def _has_no_network() -> bool:
    with open("/proc/net/route") as file:
        if len(file.readlines()) > 1:
            return False
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 53))  # sends nothing, but needs a route to this unassigned address
        return False
    return True


def _can_change_user() -> bool:
    return _succeeds_as_unprivileged_user(lambda: None) is True


def _succeeds_as_unprivileged_user(action: Callable[[], None]) -> bool | None:
    """Returns whether `action` succeeds as an unprivileged user; None if this process cannot change its user."""
    pid = os.fork()
    if pid == 0:
        code = 2
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(OTHER_UID, OTHER_UID, OTHER_UID)
            os.setresuid(OTHER_UID, OTHER_UID, OTHER_UID)
            code = 1
            action()
            code = 0
        os._exit(code)
    return {0: True, 1: False}.get(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _smallest_cgroup_limit(*limit_files: str) -> int:
    """Returns the smallest limit in these files of control groups (cgroup v1 and v2); `UNLIMITED` if there is no limit.

    Also considers environment variables, by which the container engine passes limits that are not visible in the
    container.
    """
    limits = [UNLIMITED]
    for name in limit_files:
        stated = os.environ.get("EVALHARNESS_LIMIT_" + os.path.basename(limit_files[-1]).split(".")[0].upper())
        if stated:
            limits.append(int(stated))
        with contextlib.suppress(OSError, ValueError), open(f"/sys/fs/cgroup/{name}") as file:
            limits.append(int(file.read()))
    return min(limits)


def _has_bounded_size(folder: str) -> bool:
    with contextlib.suppress(OSError):
        facts = os.statvfs(folder)
        return facts.f_blocks * facts.f_frsize <= MAX_FOLDER_BYTES
    return False
