"""Every job gets its verdict, whatever happens to containers, and no container is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest
from helpers.programs import calls_program, exec_program, only, run
from helpers.sandboxes import MakeSandbox

from evalharness.errors import UserError
from evalharness.records import CommandProgram, Execution, Limits, Outcome, Program
from evalharness.sandbox import warm_containers
from evalharness.sandbox.agent.shared.messages import Job
from evalharness.sandbox.engines import docker as docker_engine
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool
from evalharness.sandbox.time_bound import TimeBound

pytestmark = pytest.mark.docker

SLOW = "import time\ntime.sleep(0.6)\n"
KILL_JUDGE = """
import os
for name in os.listdir('/proc'):
    if name.isdigit() and open(f'/proc/{name}/stat').read().rpartition(')')[2].split()[1] == '1':
        os.kill(int(name), 9)
"""
HOLDER = """
import sys, threading, time
sys.path.insert(0, {0!r})
from helpers.programs import exec_program
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool
sandbox = ContainerPool(DockerEngine(), 2)
sandbox.prepare(["python"])
threading.Thread(target=sandbox.run, args=[exec_program("import time\\ntime.sleep(1)")]).start()
time.sleep(0.3)
print("ready", flush=True)
time.sleep(60)
"""


def containers_of(client: docker.DockerClient, owner: str) -> set[str]:
    """Ids of the containers of a process on this machine, running or not."""
    labels = [f"{docker_engine.LABEL}=sandbox", f"{docker_engine.OWNER_LABEL}={owner}"]
    return {container["Id"] for container in client.api.containers(all=True, filters={"label": labels})}


@pytest.fixture
def ours(client: docker.DockerClient) -> Callable[[], set[str]]:
    """Ids of the containers that were made in this test."""
    before = containers_of(client, docker_engine.owner_label(os.getpid()))
    return lambda: containers_of(client, docker_engine.owner_label(os.getpid())) - before


def eventually(condition: Callable[[], bool], seconds: float = 8) -> bool:
    """Whether the condition comes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def during(sandbox: ContainerPool, source: str, action: Callable[[str], object]) -> Execution:
    """The execution of a program during which `action` is called with the id of its container."""
    (container,) = sandbox._containers.all
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(sandbox.run, exec_program(source))
        time.sleep(0.3)
        action(container.id)
        return future.result(20)


def test_a_killed_container_costs_no_verdict(
    make_sandbox: MakeSandbox, ours: Callable[[], set[str]], client: docker.DockerClient
) -> None:
    sandbox = make_sandbox()
    before = ours()
    assert only(during(sandbox, SLOW + "assert False", client.api.kill)).status == "failed"
    assert eventually(lambda: not ours() & before)
    assert len(ours()) == 1


def test_a_killed_judge_costs_no_verdict(make_sandbox: MakeSandbox, client: docker.DockerClient) -> None:
    def kill_judge(container: str) -> None:
        client.api.exec_start(client.api.exec_create(container, ["python3", "-c", KILL_JUDGE])["Id"])

    sandbox = make_sandbox()
    execution = during(sandbox, SLOW + "assert False", kill_judge)
    assert only(execution).status == "failed"


def test_a_container_killed_between_jobs_costs_no_verdict(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    (container,) = sandbox._containers.all
    sandbox.engine.client.api.kill(container.id)
    assert run(sandbox, "assert False").status == "failed"


def test_a_job_that_no_container_survives_is_no_verdict(make_sandbox: MakeSandbox) -> None:
    sandbox, done = make_sandbox(), threading.Event()

    def kill_all() -> None:
        while not done.wait(0.02):
            for container in set(sandbox._containers.all):
                with contextlib.suppress(docker.errors.APIError):
                    sandbox.engine.client.api.kill(container.id)

    killer = threading.Thread(target=kill_all)
    killer.start()
    execution = sandbox.run(exec_program(SLOW))
    done.set()
    killer.join()
    assert not execution.parts
    assert "container" in execution.infrastructure
    assert run(sandbox, "assert True").status == "passed"


def test_containers_are_replaced_after_many_jobs(make_sandbox: MakeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = make_sandbox()
    monkeypatch.setattr(warm_containers, "JOBS_PER_CONTAINER", 2)
    used = []
    for _ in range(5):
        used += [container.id for container in sandbox._containers.all]
        assert run(sandbox, "assert True").status == "passed"
    assert len(set(used)) == 2
    assert len(sandbox._containers.all) <= 1


def test_no_more_at_a_time_than_workers(sandbox: ContainerPool) -> None:
    begun = time.monotonic()
    with ThreadPoolExecutor(6) as threads:
        executions = [*threads.map(sandbox.run, [exec_program("import time\ntime.sleep(0.2)")] * 6)]
    assert [only(execution).status for execution in executions] == ["passed"] * 6
    assert time.monotonic() - begun > 0.6
    assert len([container for container in sandbox._containers.all if container.jobs]) <= 4  # two for each hash seed


@pytest.mark.parametrize(("workers", "containers"), [(1, 1), (2, 2), (3, 2)])
def test_two_containers_start_before_the_first_program(
    workers: int, containers: int, ours: Callable[[], set[str]]
) -> None:
    with contextlib.closing(ContainerPool(DockerEngine(), workers)) as sandbox:
        sandbox.prepare(["python"])
        assert len(ours()) == containers


def test_close_leaves_nothing(ours: Callable[[], set[str]]) -> None:
    sandbox = ContainerPool(DockerEngine(), 2)
    sandbox.prepare(["python"])
    assert only(sandbox.run(calls_program("def f(x): return x", "def f(x): return x + 0"))).status == "passed"
    assert len(ours()) >= 1
    sandbox.close()
    sandbox.close()
    assert not ours()
    assert (
        sandbox.run(exec_program("assert True")).infrastructure
        == "the harness is shutting down, so its sandbox starts no more containers"
    )


def test_close_in_the_middle_of_a_job_leaves_nothing(ours: Callable[[], set[str]], make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    execution = during(sandbox, "import time\ntime.sleep(60)", lambda _: sandbox.close())
    assert execution.infrastructure
    assert not ours()


def test_close_while_a_container_starts_leaves_nothing(ours: Callable[[], set[str]], make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    before = ours()
    program = calls_program("def f(x): return x", f"def f(x): return x  # {uuid.uuid4()}")
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(sandbox.run, program)  # starts a container for the reference
        assert eventually(lambda: bool(ours() - before))
        sandbox.close()
        assert (
            future.result(20).infrastructure == "the harness is shutting down, so its sandbox starts no more containers"
        )
    assert eventually(lambda: not ours(), 2)


def test_a_killed_process_leaves_no_container(client: docker.DockerClient) -> None:
    """Neither an idle one nor one in the middle of a job."""
    script = HOLDER.format(str(Path(__file__).parents[1]))
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    label = docker_engine.owner_label(holder.pid)
    assert containers_of(client, label)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert eventually(lambda: not containers_of(client, label))


def test_describe_names_all_that_can_change_a_verdict(sandbox: ContainerPool, client: docker.DockerClient) -> None:
    described = sandbox.describe()
    image = described["images"]["python"]
    assert image["id"] == dict(images.sandbox_image_ids(client))["python"]
    assert image["python"].startswith("3.")
    assert {"numpy", "clock"} <= image.keys()
    assert described["engine"].startswith("docker ")
    assert (described["memory_mb"], described["cpus"]) == (4096, 1.0)


def test_preparing_an_unknown_image_is_a_user_error(client: docker.DockerClient) -> None:
    sandbox = ContainerPool(DockerEngine(), 1)
    with pytest.raises(UserError, match=r"'pyton'.*python"):
        sandbox.prepare(["pyton"])
    sandbox.close()


class Disturbed(ContainerPool):
    """A pool whose first execution times out because no core was free."""

    tries = 0

    def _run_job(self, program: Program, job: Job, bound: TimeBound) -> Execution:
        self.tries += 1
        execution = super()._run_job(program, job, bound)
        disturbed = Execution({"checks": Outcome("timeout", wall_s=9.0, waited_s=6.0)})
        return disturbed if self.tries == 1 else execution


@pytest.mark.parametrize(("source", "status"), [("assert 1", "passed"), ("import time\ntime.sleep(9)", "timeout")])
def test_a_timeout_without_a_free_core_gets_a_quiet_rerun(source: str, status: str, engine: None) -> None:
    sandbox = Disturbed(DockerEngine(), 2)
    sandbox.prepare(["python"])
    execution = sandbox.run(exec_program(source, time_s=0.5))
    sandbox.close()
    assert only(execution).status == status
    assert sandbox.tries == 2
    assert ("when it ran alone" in execution.borderline) == (status == "passed")


def test_several_images_share_the_containers(engine: None, ours: Callable[[], set[str]]) -> None:
    """Idle containers are replaced; there are at most twice as many as workers."""
    sandbox = ContainerPool(DockerEngine(), 1)
    sandbox.prepare(["python", "sh", "js"])
    assert len(ours()) == 2
    for _ in range(2):
        assert only(sandbox.run(exec_program("assert 1"))).status == "passed"
        assert only(sandbox.run(CommandProgram("sh", "exit 0", Limits(0)))).status == "passed"
        assert only(sandbox.run(CommandProgram("js", "1", Limits(0)))).status == "passed"
    assert len(ours()) == 2
    sandbox.close()
    assert eventually(lambda: not ours())


def test_a_container_is_discarded_after_a_suspicious_program(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    (before,) = sandbox._containers.all
    assert run(sandbox, "import os\nos._exit(0)").status == "tampered"
    assert before not in sandbox._containers.all
