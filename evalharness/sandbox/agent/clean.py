"""Leaves nothing of a job behind: no process, no file."""

import contextlib
import itertools
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator

from . import clock

WRITABLE = ("/tmp", "/dev/shm")
"""The only folders in which a sample's user may write; both are in memory."""
ATTEMPTS = 500
NOBODY = 65533


def make_workdir(uid: int) -> str:
    """An empty folder that the user may write in."""
    folder = f"/tmp/{uid}"
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    return folder


def end_processes(uid: int, keep: set[int]) -> bool:
    """Ends every process of this user. Quick if none is there but `keep`; False if some cannot be ended."""
    for _ in range(ATTEMPTS):
        if keep.issuperset(clock.of_the_job()):
            return True
        kill_all(uid)
        time.sleep(0.002)
    return False


def kill_all(uid: int) -> None:
    """Kills every process of this user, at one stroke."""
    as_user(uid, lambda: os.kill(-1, signal.SIGKILL))


def between(uid: int, folder: str, keep: set[int]) -> bool:
    """Leaves the next process of the same job neither processes, but those that wait in `keep`, nor files.

    The folder is made anew, for it can carry extended attributes as well.
    """
    ended = end_processes(uid, keep)
    empty(uid, folder)
    if os.listdir(folder):
        return False
    os.rmdir(folder)
    make_workdir(uid)
    return ended and is_clean(os.path.basename(folder))


def remove_files(uid: int, folder: str) -> bool:
    """Removes the folder and all else that this user wrote. False if something is left."""
    empty(uid, folder)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
    return is_clean() and not _has_shared_memory()


def _has_shared_memory() -> bool:
    """Whether System V objects are left, which no process holds and no folder shows."""
    for kind in ("shm", "msg", "sem"):
        with contextlib.suppress(OSError), open(f"/proc/sysvipc/{kind}") as file:
            if len(file.readlines()) > 1:
                return True
    return False


def empty(uid: int, folder: str) -> None:
    """Removes all that this user wrote; the folder itself stays."""
    for entry in os.scandir(
        folder
    ):  # at once, for the folder is root's, and a process as the user is not to be had free
        with contextlib.suppress(OSError):
            (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)
    if os.listdir(folder) or not is_clean(os.path.basename(folder)):
        as_user(uid, _remove_own_files)


def is_clean(*expected: str) -> bool:
    """Whether the folders in which a sample may write hold nothing but these."""
    return set(os.listdir("/tmp")) == set(expected) and not os.listdir("/dev/shm")


def as_user(uid: int, action: Callable[[], None]) -> bool:
    """Calls the action in a process of that user, so that it can touch what is the user's and nothing else.

    False where it raised.
    """
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(NOBODY, uid, NOBODY)
            os.setresuid(NOBODY, uid, NOBODY)  # with the rights of that user, and out of reach of its signals
            action()
            os._exit(0)
        os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def _remove_own_files() -> None:
    for place in WRITABLE:
        for entry in os.scandir(place):
            if not entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
                continue
            _flatten(entry.path)
            with contextlib.suppress(OSError):
                os.rmdir(entry.path)


def _flatten(top: str) -> None:
    """Empties a folder. What is in its folders is moved up first, so that none is too deep and no path too long."""
    names = (f".{secrets.token_hex(8)}-{number}" for number in itertools.count())  # that no file has
    pending = True
    while pending:
        pending = False
        with contextlib.suppress(OSError):
            os.chmod(top, 0o700)
        for entry in list(os.scandir(top)):
            if entry.is_dir(follow_symlinks=False):
                pending = _empty_into(entry.path, top, names) or pending
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _empty_into(folder: str, top: str, names: Iterator[str]) -> bool:
    """Moves what is in the folder to `top` and removes it. Whether anything was moved."""
    moved = False
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)  # else it cannot be moved
            os.rename(entry.path, os.path.join(top, next(names)))
            moved = True
        os.rmdir(folder)
    return moved
