"""Containers without a container engine: the same verdicts, and nothing left however they end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from helpers.programs import calls_program, exec_program, only, run

from evalharness.errors import UserError
from evalharness.sandbox.engines import cgroups, rootfs
from evalharness.sandbox.engines.bubblewrap import BubblewrapEngine
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

HOLDER = """
import sys, threading, time
sys.path.insert(0, {0!r})
from helpers.programs import exec_program
from evalharness.sandbox.engines.bubblewrap import BubblewrapEngine
from evalharness.sandbox.pool import ContainerPool
sandbox = ContainerPool(BubblewrapEngine(), 2)
sandbox.prepare(["python"])
threading.Thread(target=sandbox.run, args=[exec_program("import time\\ntime.sleep(60)", 100)]).start()
time.sleep(0.5)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def sandbox(engine: None) -> Iterator[ContainerPool]:
    with closing(ContainerPool(BubblewrapEngine(), 2)) as opened:
        opened.prepare(["python"])
        yield opened


def agents(parent: int) -> list[int]:
    """Processes below a process of this machine."""
    descendants, pending = [], [parent]
    while pending:
        pid = pending.pop()
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                children = [int(word) for word in path.read_text().split()]
                pending += children
                descendants += children
    return descendants


def settled() -> tuple[set[int], set[Path]]:
    """The processes and groups of this process when those of earlier samples have ended: the same for half a second."""
    states: list[tuple[set[int], set[Path]]] = []
    while len(states) < 6 or any(state != states[-1] for state in states[-6:]):
        states.append((set(agents(os.getpid())), set(groups(os.getpid()))))
        time.sleep(0.1)
    return states[-1]


def groups(pid: int) -> list[Path]:
    return [
        *cgroups.CGROUP_ROOT.glob(f"{cgroups.GROUP_NAME_PREFIX}-{pid}-*"),
        *cgroups.CGROUP_ROOT.glob(f"*/{cgroups.GROUP_NAME_PREFIX}-{pid}-*"),
    ]


@pytest.mark.parametrize(("source", "status"), [("assert 1", "passed"), ("assert 0", "failed"), ("x", "error")])
def test_verdicts(source: str, status: str, sandbox: ContainerPool) -> None:
    assert run(sandbox, source).status == status


def test_calls(sandbox: ContainerPool) -> None:
    assert only(sandbox.run(calls_program("def f(x): return x", "def f(x): return x + 0"))).status == "passed"
    assert only(sandbox.run(calls_program("def f(x): return -x", "def f(x): return x + 0"))).status == "failed"


def test_memory_is_limited_by_a_control_group(sandbox: ContainerPool) -> None:
    """Many processes, each within its own limit."""
    source = "import os, time\nfor _ in range(8):\n    if not os.fork(): x = b'x' * (900 << 20); time.sleep(9)\n"
    sandbox.run(exec_program(f"{source}time.sleep(2.5)\n"))
    assert run(sandbox, "assert 1").status == "passed"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_harness_that_ends_leaves_nothing(engine: None, number: signal.Signals) -> None:
    script = HOLDER.format(str(Path(__file__).parents[2]))
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    below = agents(holder.pid)
    assert len(below) >= 3
    holder.send_signal(number)
    holder.communicate()
    end = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in below):
        assert time.monotonic() < end
        time.sleep(0.05)
    cgroups.remove_orphaned_groups()
    assert not groups(holder.pid)


def test_a_killed_container_costs_no_verdict(sandbox: ContainerPool) -> None:
    for pid in agents(os.getpid()):
        with contextlib.suppress(OSError):  # it may have ended
            if b"bwrap" in Path(f"/proc/{pid}/cmdline").read_bytes()[:40]:
                os.kill(pid, signal.SIGKILL)
    assert run(sandbox, "assert 1").status == "passed"


def test_two_pools_of_a_process_do_not_share_control_groups(engine: None) -> None:
    pools = [ContainerPool(BubblewrapEngine(), 1) for _ in range(2)]
    for pool in pools:
        pool.prepare(["python"])
    pools[0].close()
    assert run(pools[1], "assert 1").status == "passed"
    pools[1].close()


def test_close_leaves_nothing(engine: None) -> None:
    before = settled()
    opened = ContainerPool(BubblewrapEngine(), 2)
    opened.prepare(["python"])
    assert set(groups(os.getpid())) > before[1]
    opened.close()
    opened.close()
    assert settled() == before


def test_without_a_root_file_system_it_says_where_to_get_one(
    engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALHARNESS_ROOTFS", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(UserError, match=r"no root file system.*sandbox build python --sandbox bubblewrap"):
        rootfs.ensure_rootfs("python", print)


def test_without_bubblewrap_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="apt-get install bubblewrap"):
        BubblewrapEngine()
