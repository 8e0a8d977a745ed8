"""Removes everything that a job leaves in the container: processes, files, shared memory."""

import contextlib
import itertools
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator

from ..shared import clock
from .isolation import namespaces

WRITABLE_FOLDERS = ("/tmp", "/dev/shm")
"""The only folders in which a sample's user may write; both are in memory."""
MAX_KILL_ATTEMPTS = 500
"""Most attempts to kill a job's processes."""
NOBODY_UID = 65533
"""A user id that no sample has."""


def make_workdir(uid: int) -> str:
    """Creates an empty working folder in which the sample's user `uid` may write; returns its path."""
    folder = f"/tmp/{uid}"
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    return folder


def kill_job_processes(uid: int, kept_pids: set[int]) -> bool:
    """Kills all processes of user `uid`. Returns False if processes of the job other than `kept_pids` stay alive.

    `kept_pids`: processes forked for later runs of the job, which do not run as that user yet.
    """
    for _ in range(MAX_KILL_ATTEMPTS):
        if kept_pids.issuperset(clock.job_pids()):
            return True
        kill_user_processes(uid)
        time.sleep(0.002)
    return False


def kill_user_processes(uid: int) -> None:
    """Kills every process of the sample's user `uid` with one system call."""
    run_as_user(uid, lambda: os.kill(-1, signal.SIGKILL))


def clean_up_between_runs(uid: int, workdir: str, kept_pids: set[int]) -> bool:
    """Kills a sample's processes except `kept_pids` and removes its files, before the job runs its next process.

    Also removes and creates `workdir` again, because the sample may have set extended attributes on it. Returns False
    if a process or file is left.
    """
    ended = kill_job_processes(uid, kept_pids)
    if namespaces.isolates_forks:
        namespaces.replace_writable_folders()
        make_workdir(uid)
        return ended
    remove_written_files(uid, workdir)
    if os.listdir(workdir):
        return False
    os.rmdir(workdir)
    make_workdir(uid)
    return ended and are_writable_folders_clean(os.path.basename(workdir))


def remove_sample_files(uid: int, workdir: str) -> bool:
    """Removes the working folder and all other files of the sample's user.

    Returns False if a file, or a System V IPC object such as shared memory, is left.
    """
    if namespaces.isolates_forks:
        return True  # they end with this process
    remove_written_files(uid, workdir)
    with contextlib.suppress(OSError):
        os.rmdir(workdir)
    return are_writable_folders_clean() and not _has_system_v_ipc_objects()


def _has_system_v_ipc_objects() -> bool:
    """Returns whether the sample has left System V IPC objects: shared memory, message queues or semaphores."""
    for kind in ("shm", "msg", "sem"):
        with contextlib.suppress(OSError), open(f"/proc/sysvipc/{kind}") as file:
            if len(file.readlines()) > 1:
                return True
    return False


def remove_written_files(uid: int, workdir: str) -> None:
    """Removes all files of the sample's user `uid`, but not the working folder itself."""
    # Here first: root owns the folder, and most jobs then need no further process, which takes time.
    for entry in os.scandir(workdir):
        with contextlib.suppress(OSError):
            (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)
    if os.listdir(workdir) or not are_writable_folders_clean(os.path.basename(workdir)):
        run_as_user(uid, _remove_own_files)


def are_writable_folders_clean(*expected_tmp_entries: str) -> bool:
    """Returns whether /dev/shm is empty and /tmp contains exactly `expected_tmp_entries`."""
    return set(os.listdir("/tmp")) == set(expected_tmp_entries) and not os.listdir("/dev/shm")


def run_as_user(uid: int, action: Callable[[], None]) -> bool:
    """Calls `action` in a forked process that has only the rights of user `uid`. Returns False if `action` raises."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(NOBODY_UID, uid, NOBODY_UID)
            os.setresuid(NOBODY_UID, uid, NOBODY_UID)  # the rights of that user, whose processes cannot signal this one
            action()
            os._exit(0)
        os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def _remove_own_files() -> None:
    """Removes all files that this process's user has in /tmp and /dev/shm."""
    for folder in WRITABLE_FOLDERS:
        for entry in os.scandir(folder):
            if not entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
                continue
            _delete_contents(entry.path)
            with contextlib.suppress(OSError):
                os.rmdir(entry.path)


def _delete_contents(folder: str) -> None:
    """Removes everything inside a folder, but not the folder itself.

    Moves the contents of nested folders up first, because a sample may nest folders so deeply that paths are too long.
    """
    names = (f".{secrets.token_hex(8)}-{number}" for number in itertools.count())  # that no file of the sample has
    moved = True
    while moved:
        moved = False
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                moved = _move_contents_up(entry.path, folder, names) or moved
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _move_contents_up(folder: str, target_folder: str, new_names: Iterator[str]) -> bool:
    """Moves everything in `folder` into `target_folder`, its parent, and removes `folder`.

    Each moved entry gets the next name of `new_names`. Returns whether anything was moved.
    """
    moved = False
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)  # without that it cannot be moved
            os.rename(entry.path, os.path.join(target_folder, next(new_names)))
            moved = True
        os.rmdir(folder)
    return moved
