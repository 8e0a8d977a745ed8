"""A program finds nothing that an earlier one left in the same container, and gets its correct verdict."""

import pytest
from helpers.programs import run
from helpers.sandboxes import MakeSandbox

from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
NOBODY_ELSE = """
import os
assert (os.getpid(), os.getppid()) == (2, 0), 'process numbers are not new'
assert [name for name in os.listdir('/proc') if name.isdigit()] == ['2']
assert os.listdir('/tmp') == [str(os.getuid())] and os.listdir() == os.listdir('/dev/shm') == []
"""
WRITES_FOR_EVER = """
import posix
if posix.fork() == 0:
    posix.setsid()
    if posix.fork() == 0:
        while True:
            for name in ('/tmp/late', '/dev/shm/late'):
                try:
                    open(name, 'w').close()
                except OSError:
                    pass
    posix._exit(0)
"""
LEFT = {
    "detached processes": "import posix, time\nfor _ in range(50):\n    if posix.fork() == 0:\n        time.sleep(60)",
    "a process that goes on writing": WRITES_FOR_EVER,
    "a process that holds the channel": "import posix, time\nif posix.fork():\n    posix._exit(0)\ntime.sleep(60)",
    "a process that ignores signals": "import posix, signal, time\nfor n in set(signal.Signals) - {9, 19}:\n"
    "    signal.signal(n, signal.SIG_IGN)\nif posix.fork() == 0:\n    time.sleep(60)",
    "a stopped process": "import posix\nif posix.fork() == 0:\n    posix.kill(posix.getpid(), 19)",
    "folders that nobody may enter": "import posix\nfor n in 'ab':\n    posix.mkdir('/tmp/' + n, 0o700)\n"
    "    open(f'/tmp/{n}/x', 'w').close()\nposix.mkdir('/tmp/a/c')\n"
    "posix.chmod('/tmp/a/c', 0)\nposix.chmod('/tmp/a', 0)",
    "the folder of the next user": "import os\nfor step in range(6):\n    os.mkdir(f'/tmp/{os.getuid() + step}x')\n"
    "    step and os.mkdir(f'/tmp/{os.getuid() + step}', 0o700)",
    "links": "import os\nos.symlink('/', '/tmp/a')\nos.symlink('/tmp', '/dev/shm/b')\nos.symlink('x', 'x')",
    "a deep folder": "import posix\nfor _ in range(3000):\n    posix.mkdir('d')\n    posix.chdir('d')",
    "strange names": "import os\nfor n in (b'\\xff', b'/tmp/\\n', b'/tmp/-rf', b'/dev/shm/\\x80'):\n    os.mkdir(n)",
    "a named pipe and a socket": "import os, socket\nos.mkfifo('/tmp/p')\nsocket.socket(1).bind('/tmp/s')",
    "a full file system": "with open('/tmp/a', 'wb') as file:\n    while True: file.write(bytes(1 << 20))",
}


@pytest.mark.parametrize("name", LEFT)
def test_nothing_is_left(name: str, sandbox: ContainerPool) -> None:
    assert run(sandbox, LEFT[name], time_s=0.5).status in ("passed", "timeout", "error", "tampered")
    for _ in range(2):
        outcome = run(sandbox, NOBODY_ELSE)
        assert outcome.status == "passed", outcome


CHANNELS = {
    "shared memory": (LIBC + "libc.shmget(7, 4096, 0o1666)", LIBC + "assert libc.shmget(7, 0, 0) == -1"),
    "semaphores": (LIBC + "libc.semget(7, 1, 0o1666)", LIBC + "assert libc.semget(7, 0, 0) == -1"),
    "messages": (LIBC + "libc.msgget(7, 0o1666)", LIBC + "assert libc.msgget(7, 0) == -1"),
    "message queues": ("open('/dev/mqueue/a', 'w').close()", "import os\nassert not os.path.exists('/dev/mqueue')"),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_programs_cannot_leave_messages(name: str, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    leave, look = CHANNELS[name]
    assert run(sandbox, leave).status in ("passed", "error", "failed")
    outcome = run(sandbox, look)
    assert outcome.status == "passed", outcome


def test_programs_have_users_of_their_own(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    users = {run(sandbox, "import os\nassert 0, os.getresuid() + os.getresgid() + tuple(os.getgroups())").detail}
    users |= {run(sandbox, "import os\nassert 0, os.getresuid() + os.getresgid() + tuple(os.getgroups())").detail}
    assert len(users) == 2
    assert not any(user.startswith("AssertionError: (0,") for user in users)
