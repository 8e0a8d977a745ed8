"""Hostile programs do no harm, and leave the sandbox in order for the next one."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from evalharness.records import ExecProgram, Limits, Outcome, ProcessRules
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

REFUSED = """
try:
    {0}
except OSError:
    pass
else:
    raise SystemError
"""
FRESH = """
import posix
assert len(posix.listdir('/tmp')) == 1 and posix.listdir('/dev/shm') == []
assert [name for name in posix.listdir('/proc') if name.isdigit()] == [str(posix.getpid())]
"""
HARMLESS = {
    "no network": "import socket\n" + REFUSED.format("socket.create_connection(('1.1.1.1', 53), 1)"),
    "no loopback": "import socket\n" + REFUSED.format("socket.create_connection(('127.0.0.1', 22), 1)"),
    "read-only root": REFUSED.format("open('/opt/x', 'w')"),
    "agent's environment": REFUSED.format("open('/proc/1/environ', 'rb').read(1)"),
    "agent's memory": REFUSED.format("open('/proc/1/mem', 'rb').read(1)"),
    "agent's channel": REFUSED.format("open('/proc/1/fd/1', 'wb').write(b'x')"),
    "own user": "import posix\nassert posix.getuid() >= 10000\n" + REFUSED.format("posix.setuid(0)"),
    "no core dumps": "assert 'Max core file size        0 ' in open('/proc/self/limits').read()",
    "kill all": "import posix\ntry: posix.kill(-1, 9)\nexcept ProcessLookupError: pass  # nobody else is there",
    "daemon": "import posix, time\nif posix.fork() == 0:\n    posix.setsid()\n    time.sleep(1000)",
    "files": "import posix\nposix.mkdir('/tmp/a', 0o700)\nopen('/tmp/a/b', 'w').close()\nposix.mkdir('/tmp/a/c')\n"
    "posix.chmod('/tmp/a/c', 0)\nposix.symlink('/etc', '/tmp/link')\nopen('/dev/shm/d', 'w').close()",
}
CAUGHT = {
    "forged end": ("import posix\nfor fd in range(3, 300):\n    try: posix.write(fd, b'p' + bytes(4))\n"
                   "    except OSError: pass", "tampered"),
    "forged length": ("import posix\nfor fd in range(3, 300):\n    try: posix.write(fd, b'o' + b'\\xff' * 4)\n"
                      "    except OSError: pass", "tampered"),
    "closed channel": ("import posix\nposix.closerange(3, 300)", "error"),
    "memory": ("x = bytearray(5 << 30)", "memory"),
    "full disk": ("with open('/tmp/a', 'wb') as f:\n    while True: f.write(bytes(1 << 20))", "error"),
    "killed itself": ("import posix\nposix.kill(posix.getpid(), 9)", "error"),
    "fork bomb": ("import posix\ntry:\n    while True: posix.fork()\nexcept OSError:\n    while True: pass", "timeout"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ContainerPool]:
    with closing(ContainerPool(DockerEngine(), 1)) as opened:
        opened.prepare(["python"])
        yield opened


def execute(source: str, sandbox: ContainerPool) -> Outcome:
    rules = ProcessRules(guard="human-eval", stack_depth=13)
    [outcome] = sandbox.run(ExecProgram("python", source, Limits(1.0), rules)).parts.values()
    return outcome


def assert_fresh(sandbox: ContainerPool) -> None:
    outcome = execute(FRESH, sandbox)
    assert outcome.status == "passed", outcome


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(name: str, sandbox: ContainerPool) -> None:
    outcome = execute(HARMLESS[name], sandbox)
    assert outcome.status == "passed", outcome
    assert_fresh(sandbox)


@pytest.mark.parametrize("name", CAUGHT)
def test_caught(name: str, sandbox: ContainerPool) -> None:
    source, status = CAUGHT[name]
    assert execute(source, sandbox).status == status
    assert_fresh(sandbox)


def test_a_killed_container_costs_no_verdict(sandbox: ContainerPool) -> None:
    """The container is killed during a job, which then runs in another one."""
    import threading

    outcomes: list[Outcome] = []
    slow = "import time\ntime.sleep(0.8)"
    thread = threading.Thread(target=lambda: outcomes.append(execute(slow, sandbox)))
    before = set(sandbox._containers.all)
    thread.start()
    thread.join(0.3)
    for container in before:
        sandbox.engine.client.api.kill(container.id)
    thread.join()
    assert outcomes[0].status == "passed"
    assert not before & sandbox._containers.all
