"""Leaves nothing of a job behind: no process, no file."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator

WRITABLE = ("/tmp", "/dev/shm")
"""The only folders in which a sample's user may write; both are in memory."""


@contextlib.contextmanager
def workdir(uid: int) -> Iterator[str]:
    """An empty folder that the user of the job may write in, removed afterwards."""
    folder = f"/tmp/{uid}"
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    yield folder
    if any(os.listdir(place) != ([str(uid)] if place == "/tmp" else []) for place in WRITABLE) or os.listdir(folder):
        as_user(uid, remove_files)
    os.rmdir(folder)


def processes(uid: int, keep: set[int]) -> None:
    """Ends every process of this user that is still there. Does nothing, quickly, if there is none but `keep`."""
    keep = {1, os.getpid()} | keep
    for _ in range(500):
        if all(int(name) in keep for name in os.listdir("/proc") if name.isdigit()):
            return
        as_user(uid, lambda: os.kill(-1, signal.SIGKILL))
        time.sleep(0.002)
    raise RuntimeError("a process of the sample could not be ended")


def as_user(uid: int, action: object) -> None:
    """Calls the action in a process of that user, so that it can touch what is the user's and nothing else."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            action()  # type: ignore[operator]
        os._exit(0)
    os.waitpid(pid, 0)


def remove_files() -> None:
    """Removes all files of this user from where it could have written."""
    for place in WRITABLE:
        for entry in os.scandir(place):
            if entry.is_dir(follow_symlinks=False):
                _open_up(entry.path)
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _open_up(folder: str) -> None:
    for path, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(path, name), 0o700)
