"""What an engine must guarantee before anyone's code is run in it."""

from collections.abc import Mapping
from typing import Any

GUARANTEES = {
    "network-off": "no network: there is no route to anywhere",
    "read-only-root": "the root file system cannot be written",
    "own-processes": "processes outside the container cannot be seen",
    "user-separation": "every sample runs as a user of its own",
    "few-capabilities": "root in the container has no rights but to change to a sample's user and to end it",
    "no-new-privileges": "setuid programs give no rights",
    "system-call-filter": "no new namespaces, mounts, tracing, keyrings or shared memory for samples",
    "memory-limit": "memory is limited by a control group",
    "process-limit": "the number of processes is limited by a control group",
    "file-limit": "files live in memory-backed folders of limited size",
    "no-engine-socket": "the engine's socket is out of reach",
    "idle-clock": "time limits do not count waiting for a core",
}
"""By name, as `--option allow=` takes it, what is guaranteed. The agent sees for itself whether each one holds."""


def missing_guarantees(hello: Mapping[str, Any]) -> frozenset[str]:
    """The guarantees that an agent, by its hello, did not find to hold."""
    return frozenset(name for name in GUARANTEES if not hello["guarantees"].get(name))
