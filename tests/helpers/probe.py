"""A program that searches for what another program left behind."""

FRESH = """
import os, posix
own = {1, os.getpid(), os.getppid()}
others = {int(name) for name in posix.listdir("/proc") if name.isdigit()} - own
assert not others, f"processes {others}"
found = {place: posix.listdir(place) for place in ("/tmp", "/dev/shm", "/dev/mqueue", ".") if os.path.isdir(place)}
assert found.pop("/tmp") == [str(os.getuid())], "files in /tmp"
assert not any(found.values()), f"files {found}"
sockets = open("/proc/net/unix").read().splitlines()[1:]
assert not [line for line in sockets if "@" in line], "sockets with a name"
for kind in ("shm", "sem", "msg"):
    assert len(open(f"/proc/sysvipc/{kind}").readlines()) == 1, f"System V {kind}"
keys = open("/proc/keys").read() if os.path.exists("/proc/keys") else ""
assert "attack" not in keys, "keys"
"""
