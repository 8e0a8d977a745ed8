"""What confines this container, as seen from inside."""

import contextlib
import os
import socket

from . import syscalls
from .clock import Stopwatch

ALLOWED_CAPABILITIES = 1 << 5 | 1 << 6 | 1 << 7
"""KILL, SETGID and SETUID, with which the agent changes to the sample's user and ends its processes."""
UNLIMITED = 1 << 60
SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock")
LARGEST_TMP = 4 << 30
OTHER_UID = 65000


def guarantees() -> dict[str, bool]:
    """Each guarantee by name, and whether it is seen to hold."""
    status = _status()
    return {
        "network-off": _no_network(),
        "read-only-root": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        "own-processes": os.getpid() == 1,
        "user-separation": _can_change_user(),
        "few-capabilities": int(status.get("CapPrm", "f" * 16), 16) & ~ALLOWED_CAPABILITIES == 0,
        "no-new-privileges": status.get("NoNewPrivs") == "1",
        "system-call-filter": syscalls.can_refuse(),
        "memory-limit": _limit("memory/memory.limit_in_bytes", "memory.max") < UNLIMITED,
        "process-limit": _limit("pids/pids.max", "pids.max") < UNLIMITED,
        "file-limit": _is_small("/tmp") and _is_small("/dev/shm"),
        "no-engine-socket": not any(os.path.exists(path) for path in SOCKETS),
        "idle-clock": Stopwatch().exact,
    }


def _status() -> dict[str, str]:
    with open("/proc/self/status") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def _no_network() -> bool:
    with open("/proc/net/route") as file:
        if len(file.readlines()) > 1:
            return False
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 53))  # sends nothing; asks for a route to an address that none has
        return False
    return True


def _can_change_user() -> bool:
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(OTHER_UID, OTHER_UID, OTHER_UID)
            os.setresuid(OTHER_UID, OTHER_UID, OTHER_UID)
            code = 0
        os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def _limit(*names: str) -> int:
    """The smallest limit that the control groups set, under their old or new names; `UNLIMITED` if none is seen.

    An engine that sets one out of sight of the container says so in the environment.
    """
    found = [UNLIMITED]
    for name in names:
        stated = os.environ.get("EVALHARNESS_LIMIT_" + os.path.basename(names[-1]).split(".")[0].upper())
        if stated:
            found.append(int(stated))
        with contextlib.suppress(OSError, ValueError), open(f"/sys/fs/cgroup/{name}") as file:
            found.append(int(file.read()))
    return min(found)


def _is_small(folder: str) -> bool:
    with contextlib.suppress(OSError):
        facts = os.statvfs(folder)
        return facts.f_blocks * facts.f_frsize <= LARGEST_TMP
    return False
