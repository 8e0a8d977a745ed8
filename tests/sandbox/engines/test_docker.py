"""A container is confined, and its failures are reported. test_isolation.py tests hostile programs."""

import re

import pytest
from docker.errors import APIError, NotFound
from helpers.programs import calls_program, only, run

from evalharness.errors import InfrastructureError, UserError
from evalharness.sandbox.agent.shared.wire import HEADER
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.docker import DockerEngine, connect_to_engine
from evalharness.sandbox.pool import ContainerPool
from evalharness.sandbox.time_bound import TimeBound

pytestmark = pytest.mark.docker

PROBES = {
    "no network device but loopback": "text = open('/proc/net/dev').read()\n"
    "assert [line.split()[0] for line in text.splitlines()[2:]] == ['lo:'], text",
    "no name is known": "import socket\ntry: socket.getaddrinfo('pypi.org', 443)\nexcept OSError: pass\nelse: assert 0",
    "no capability": "assert 'CapEff:\\t0000000000000000' in open('/proc/self/status').read()",
    "no new privileges": "assert 'NoNewPrivs:\\t1' in open('/proc/self/status').read()",
    "seccomp": "assert 'Seccomp:\\t2' in open('/proc/self/status').read()",
    "no root again": "import posix\nfor change in (posix.setuid, posix.setgid, posix.seteuid, posix.setegid):\n"
    "    try: change(0)\n    except OSError: continue\n    raise SystemError",
    "no environment of the agent's parent": "import os\nassert not {'EVALHARNESS_CACHE', 'SHELL'} & {*os.environ}",
    "nothing to write on but memory": """
import os
written = []
for folder, folders, names in os.walk('/'):
    if folder in ('/proc', '/sys'):
        folders.clear()
    else:
        paths = [folder, *(os.path.join(folder, name) for name in names)]
        written += [path for path in paths if os.access(path, os.W_OK) and not os.path.islink(path)]
written = [path for path in written if not path.startswith(('/tmp', '/dev/'))]
assert not written, written
""",
    "files in memory are limited": """
import os
for place in ('/tmp', '/dev/shm'):
    size = os.statvfs(place)
    assert size.f_blocks * size.f_frsize <= 256 << 20
""",
    "nothing open but its channel": """
import os
paths = [f'/proc/self/fd/{name}' for name in os.listdir('/proc/self/fd')]
kinds = {os.readlink(path).partition(':')[0] for path in paths if os.path.lexists(path)}
assert kinds <= {'/dev/null', 'pipe', f'/proc/{os.getpid()}/schedstat'}, kinds
""",
    "no look into the judge": """
import os
judge = os.getppid()
assert judge == 0, 'it is in the namespace of the sample'
for name in ('mem', 'environ', 'maps', 'fd/0', 'fd/1', 'root/', 'cwd/'):
    try:
        open(f'/proc/1/{name}', 'rb').read(1)
    except (PermissionError, FileNotFoundError):
        continue
    raise SystemError(name)
""",
    "no tracing of the judge": "import ctypes, os\nassert ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == -1",
}
# What is looked for is written so that the text of this program does not match it.
SEARCH = r"""
import ctypes, gc, io, re
pattern = re.compile(rb"expecte[d]-[0-9a-f]{16}")
def f(x):
    size, found = 0, set()
    for line in io.open("/proc/self/maps"):
        area, rights, *_ = line.split()
        if rights[:2] == "rw" and "[v" not in line:
            start, end = (int(each, 16) for each in area.split("-"))
            found |= set(pattern.findall(ctypes.string_at(start, end - start)))
            size += end - start
    found |= {each for each in gc.get_objects() if isinstance(each, str) and pattern.search(each.encode())}
    return found or f"searched {size >> 20} MB"
"""
SECRET = "import hashlib\ndef f(x): return 'expected-' + hashlib.sha256(b'%d' % x).hexdigest()[:16]"


@pytest.mark.parametrize("name", PROBES)
def test_confinement(name: str, sandbox: ContainerPool) -> None:
    outcome = run(sandbox, PROBES[name])
    assert outcome.status == "passed", outcome


def test_expected_outputs_are_not_in_the_memory_of_the_program(sandbox: ContainerPool) -> None:
    inputs = [(number,) for number in range(50)]
    assert only(sandbox.run(calls_program(SECRET, SECRET, inputs))).status == "passed"
    outcome = only(sandbox.run(calls_program(SEARCH, SECRET, inputs)))
    searched = re.search(r"gave 'searched (\d+) MB', expected 'expected-", outcome.detail)
    assert searched, outcome
    assert int(searched[1]) > 5


def test_a_fork_bomb_hurts_nobody(sandbox: ContainerPool) -> None:
    bomb = "import posix, time\nwhile True:\n    try: posix.fork()\n    except OSError: time.sleep(0.01)"
    assert run(sandbox, bomb, time_s=0.3).status == "timeout"
    assert run(sandbox, "assert True").status == "passed"
    assert run(sandbox, "assert False").status == "failed"


def test_a_container_that_does_not_start_says_why(engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "image_tag", lambda name: f"evalharness/{name}:here")
    with pytest.raises(InfrastructureError, match=r"did not start.*evalharness/nothing"):
        DockerEngine().start("nothing", 64, 1.0, 0)


def test_a_container_that_does_not_start_is_not_left_behind(engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made = DockerEngine()
    tried: list[str] = []

    def refuse(container: str) -> None:
        tried.append(container)
        raise APIError("no more processes")

    monkeypatch.setattr(made.client.api, "start", refuse)
    with pytest.raises(InfrastructureError, match="did not start: no more processes"):
        made.start("python", 256, 1.0, 0)
    with pytest.raises(NotFound):
        made.client.containers.get(tried[0])


def test_the_error_of_an_ended_container_contains_its_stderr(engine: None) -> None:
    container = DockerEngine().start("python", 256, 1.0, 0)
    with pytest.raises(InfrastructureError, match="container has ended; its last line on stderr: "):
        container.run_job(HEADER.pack(3, 0) + b"???", TimeBound(10, 1))
    container.close()
    container.close()


def test_no_engine_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(
        UserError, match=r"^no container engine answers at unix:///nowhere/docker.sock .*install"
    ) as error:
        connect_to_engine()
    assert "\n" not in str(error.value)
