"""Leaves nothing of a job behind: no process, no file."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable

WRITABLE = ("/tmp", "/dev/shm")
"""The only folders in which a sample's user may write; both are in memory."""
ATTEMPTS = 500


def make_workdir(uid: int) -> str:
    """An empty folder that the user may write in."""
    folder = f"/tmp/{uid}"
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    return folder


def end_processes(uid: int, keep: set[int]) -> bool:
    """Ends every process of this user. Quick if none is there but `keep`; False if some cannot be ended."""
    keep = {1, os.getpid()} | keep
    for _ in range(ATTEMPTS):
        if all(int(name) in keep for name in os.listdir("/proc") if name.isdigit()):
            return True
        kill_all(uid)
        time.sleep(0.002)
    return False


def kill_all(uid: int) -> None:
    """Kills every process of this user, at one stroke."""
    as_user(uid, lambda: os.kill(-1, signal.SIGKILL))


def between(uid: int, folder: str, keep: set[int]) -> bool:
    """Leaves the next process of the same job neither processes, but those that wait in `keep`, nor files."""
    ended = end_processes(uid, keep)
    empty(uid, folder)
    return ended and not os.listdir(folder) and _is_clean(os.path.basename(folder))


def remove_files(uid: int, folder: str) -> bool:
    """Removes the folder and all else that this user wrote. False if something is left."""
    empty(uid, folder)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
    return _is_clean() and not _has_shared_memory()


def _has_shared_memory() -> bool:
    """Whether System V objects are left, which no process holds and no folder shows."""
    for kind in ("shm", "msg", "sem"):
        with contextlib.suppress(OSError), open(f"/proc/sysvipc/{kind}") as file:
            if len(file.readlines()) > 1:
                return True
    return False


def empty(uid: int, folder: str) -> None:
    """Removes all that this user wrote; the folder itself stays."""
    if os.listdir(folder) or not _is_clean(os.path.basename(folder)):
        as_user(uid, _remove_own_files)


def _is_clean(*expected: str) -> bool:
    return set(os.listdir("/tmp")) == set(expected) and not os.listdir("/dev/shm")


def as_user(uid: int, action: Callable[[], None]) -> None:
    """Calls the action in a process of that user, so that it can touch what is the user's and nothing else."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            action()
        os._exit(0)
    os.waitpid(pid, 0)


def _remove_own_files() -> None:
    for place in WRITABLE:
        for entry in os.scandir(place):
            if entry.is_dir(follow_symlinks=False):
                _open_up(entry.path)
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _open_up(folder: str) -> None:
    """Makes every folder below one that can be emptied."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(path, name), 0o700)
