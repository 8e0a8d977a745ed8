"""The guarantees (no network, read-only root ...) that a sandbox engine must give before it runs samples."""

from evalharness.sandbox.agent.shared.messages import HelloMessage

GUARANTEES = {
    "network-off": "no network: there is no route to anywhere",
    "read-only-root": "the root file system cannot be written",
    "own-processes": "processes outside the container cannot be seen",
    "user-separation": "every sample runs as its own user",
    "few-capabilities": "root in the container can only change to a sample's user and end its processes",
    "no-new-privileges": "setuid programs give no additional rights",
    "system-call-filter": "no new namespaces, mounts, tracing, keyrings, shared memory or network sockets for samples",
    "read-only-devices": "samples cannot set the times of device nodes",
    "memory-limit": "memory is limited by a control group",
    "process-limit": "the number of processes is limited by a control group",
    "file-limit": "files are in memory-backed folders of limited size",
    "no-engine-socket": "the engine's socket is not reachable",
    "idle-clock": "time limits do not count waiting for a core",
    "group-clock": "the control group counts CPU time, also that of processes that nobody waits for",
}
"""The meaning of each guarantee, by its name in `--option allow=`; agent/judge/probe.py tests them inside the
container.
"""


def missing_guarantees(hello: HelloMessage) -> frozenset[str]:
    """Returns the names of the guarantees, such as `network-off`, that a container lacks.

    `hello` is the first message of the container's agent, which has tested the guarantees.
    """
    return frozenset(name for name in GUARANTEES if not hello["guarantees"].get(name))
