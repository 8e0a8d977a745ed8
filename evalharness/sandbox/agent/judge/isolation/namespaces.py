"""Linux namespaces: the agent's, and new ones for each process of a sample whose text does not show it to be harmless.

At its start the agent moves into a user namespace in which it is root, while to the machine it is an ordinary user. So
it may make other namespaces, although its container has no right to. A process of a sample then has its own process
numbers, mounts, files in memory and System V objects, which end with it: nothing done to them reaches a later run.
"""

import contextlib
import ctypes
import os
import signal
import stat
from typing import NamedTuple, NoReturn

from ...shared import clock
from . import static_files

CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWIPC = 0x10000000, 0x20000000, 0x00020000, 0x08000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_NOATIME = 1, 2, 4, 8, 32, 1024
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 4096, 16384, 1 << 18, 2
PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_DUMPABLE = 1, 2, 4
"""Operations of prctl."""
STATIC_FILES_MOUNT = "/mnt"
"""Mount point, in the agent's namespace, of the static files that replace those of /proc and /sys. Only root may enter
it.
"""
WRITABLE_FOLDERS = ("/tmp", "/dev/shm")
"""The only folders in which a sample's user may write; both are in memory."""
TMPFS_OPTIONS = b"mode=1777,size=%dm,nr_inodes=%d"
MAX_FOLDER_MB, MAX_FOLDER_FILES = 256, 65536
"""Most files of each of `WRITABLE_FOLDERS`; `MAX_FOLDER_MB` limits their size."""
UNMASKED_PROC_ENTRIES = ("self", "thread-self", "mounts", "net", "sysvipc")
"""The entries of /proc that show only the reader's own process and namespaces."""

_libc = ctypes.CDLL(None, use_errno=True)
_agent_pid_namespace = -1
"""A descriptor of the agent's PID namespace, in which it forks its judge processes; -1 if it has no own namespaces."""
FORKED_PID = 2
"""The pid that a process of `fork` has in its PID namespace."""
isolates_forks = False
"""Whether this process, a job's judge process, gives the processes that it forks their own namespaces."""


def _check_system_call(result: int, call_name: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"the system call {call_name} failed: {os.strerror(ctypes.get_errno())}")


def _unshare(flags: int) -> None:
    _check_system_call(_libc.unshare(flags), "unshare")


def _mount(source: str, target: str, file_system: str, flags: int, options: bytes = b"") -> None:
    result = _libc.mount(source.encode(), target.encode(), file_system.encode(), ctypes.c_ulong(flags), options or None)
    _check_system_call(result, f"mount {target}")


def fork_namespace_trial() -> int:
    """Forks a process that tests whether the container permits namespaces; returns the process's pid.

    Pass the pid to `namespace_trial_succeeds`.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(OSError):
            enter_agent_namespaces()
            isolate_later_forks()
            process = fork()
            if process.pid == 0:
                with contextlib.suppress(OSError):
                    enter_sample_namespaces()
                    mount_writable_folders()
                    os._exit(0)
                os._exit(1)
            code = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
            end_namespace(process.init_pid)
        os._exit(code)
    return pid


def namespace_trial_succeeds(trial_pid: int) -> bool:
    """Waits for the process that `fork_namespace_trial` forked; returns whether it could create namespaces."""
    return os.waitpid(trial_pid, 0)[1] == 0


def enter_agent_namespaces() -> None:
    """Forks this process into new namespaces, where the child has pid 1; returns only in the child.

    The parent stays outside, waits for the child, and exits with the child's exit code. This process must have no other
    threads.
    """
    _enter_new_user_namespace(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID)
    pid = os.fork()
    if pid:
        os.close(0)
        os.close(1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os._exit(code if code >= 0 else 70)
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _mount("tmpfs", STATIC_FILES_MOUNT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOATIME, b"mode=0700")
    static_files.write_static_files(STATIC_FILES_MOUNT)
    if os.path.isdir("/sys"):
        _mount(f"{STATIC_FILES_MOUNT}/sys", "/sys", "", MS_BIND)
    _make_devices_read_only()
    _masks.extend(_mounts_hiding_proc_files())
    mount_writable_folders()
    global _agent_pid_namespace
    _agent_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)


def _enter_new_user_namespace(flags: int) -> None:
    """Moves this process into a new user namespace, where it becomes root.

    The other user ids of the container exist there, too, except the container's root. `flags` are the CLONE_NEW...
    flags, for unshare(2), of all namespaces to create, including this one.
    """
    with open("/proc/self/uid_map") as file:
        mapped = sum(int(line.split()[2]) for line in file)
    outside = min(65536, mapped // 4)  # the agent's own user, as the container knows it
    ranges = f"0 {outside} 1\n1 1 {outside - 1}\n{outside + 1} {outside + 1} {mapped - outside - 1}\n"
    pid, (reading, writing) = os.getpid(), os.pipe()
    helper = os.fork()
    if helper == 0:
        code = 1
        with contextlib.suppress(OSError):
            os.read(reading, 1)
            for name in ("uid_map", "gid_map"):
                with open(f"/proc/{pid}/{name}", "w") as file:
                    file.write(ranges)
            code = 0
        os._exit(code)
    try:
        _unshare(flags)
    finally:
        os.write(writing, b"x")
        os.close(reading)
        os.close(writing)
        failed = os.waitpid(helper, 0)[1]
    if failed:
        raise OSError(
            "cannot set up the sandbox's user namespace: writing its /proc/PID/uid_map or gid_map failed; "
            "check that the container has the capabilities SETUID and SETGID"
        )
    signal_at_end = ctypes.c_int()  # of the parent, which an engine may have set and a change of user unsets
    _check_system_call(_libc.prctl(PR_GET_PDEATHSIG, ctypes.byref(signal_at_end), 0, 0, 0), "prctl")
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    _check_system_call(_libc.prctl(PR_SET_PDEATHSIG, signal_at_end.value, 0, 0, 0), "prctl")
    _check_system_call(
        _libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl"
    )  # or its files in /proc would belong to nobody


def _make_devices_read_only() -> None:
    """Makes the device nodes in /dev read-only, so that no sample can leave a message in their time stamps."""
    for entry in os.scandir("/dev"):
        if stat.S_ISCHR(entry.stat(follow_symlinks=False).st_mode):
            _mount(entry.path, entry.path, "", MS_BIND)
            _mount("none", entry.path, "", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC)


class BindMount(NamedTuple):
    """Paths of a bind mount: the file or folder `source` replaces `target`."""

    source: bytes
    target: bytes


_masks: list[BindMount] = []
"""The bind mounts that replace entries of a new /proc."""


def _mounts_hiding_proc_files() -> list[BindMount]:
    """Returns the bind mounts that replace files in a new /proc by static ones, which hide the machine's counters."""
    masks = []
    for name in sorted(os.listdir("/proc")):
        if name.isdigit() or name in UNMASKED_PROC_ENTRIES:
            continue
        target = f"/proc/{name}"
        source = f"{STATIC_FILES_MOUNT}/proc/{name}"
        if not os.path.exists(source):
            source = f"{STATIC_FILES_MOUNT}/empty" + ("/folder" if os.path.isdir(target) else "/file")
        masks.append(BindMount(source.encode(), target.encode()))
    return masks


class ForkedProcess(NamedTuple):
    """The pid of a forked process, and that of the init process of its PID namespace (0 without its own namespace)."""

    pid: int
    init_pid: int


def isolate_later_forks() -> None:
    """Makes later calls of `fork` in this judge process create new namespaces, if the container permits it.

    Also mounts new and empty folders /tmp and /dev/shm for the judge process itself.
    """
    global isolates_forks
    if _agent_pid_namespace >= 0:
        _unshare(CLONE_NEWNS | CLONE_NEWIPC)
        mount_writable_folders()
        isolates_forks = True


def fork() -> ForkedProcess:
    """Forks this process like `os.fork`; if `isolate_later_forks` was called, into a new PID namespace.

    The new process must then call `enter_sample_namespaces`. The init process of the namespace only waits and adopts
    orphaned processes.
    """
    if not isolates_forks:
        return ForkedProcess(os.fork(), 0)
    _unshare(CLONE_NEWPID)
    init_pid = os.fork()
    if init_pid == 0:
        _wait_forever()
    try:
        pid = os.fork()
    except OSError:
        _return_to_agent_namespace()
        end_namespace(init_pid)
        raise
    if pid:
        _return_to_agent_namespace()
        clock.INIT_PIDS.add(init_pid)
    return ForkedProcess(pid, init_pid)


def _return_to_agent_namespace() -> None:
    _check_system_call(_libc.setns(_agent_pid_namespace, CLONE_NEWPID), "setns")


def _wait_forever() -> NoReturn:
    try:
        os.closerange(0, 4096)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that the kernel removes its dead children
        while True:
            signal.pause()
    finally:
        os._exit(1)


def pid_and_proc_path_in_namespace(pid: int) -> tuple[int, str]:
    """Returns the pid that a process made by `fork` has in its own PID namespace, and the path of the /proc it sees."""
    return (FORKED_PID, f"/proc/{pid}/root/proc") if isolates_forks else (pid, "/proc")


def end_namespace(init_pid: int) -> None:
    """Ends a PID namespace with all its processes, by killing its init process. Does nothing if `init_pid` is 0."""
    if init_pid:
        clock.INIT_PIDS.discard(init_pid)
        os.kill(init_pid, signal.SIGKILL)
        os.waitpid(init_pid, 0)


def enter_sample_namespaces() -> None:
    """Gives this process, made by `fork`, its own mount namespace and System V IPC namespace.

    /proc then shows only processes with the same user and PID namespace, and no counters of the machine.
    """
    _unshare(CLONE_NEWNS | CLONE_NEWIPC)
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, b"hidepid=2")
    for source, target in _masks:
        _check_system_call(_libc.mount(source, target, b"", ctypes.c_ulong(MS_BIND), None), "mount")


def mount_writable_folders() -> None:
    """Mounts new and empty folders over /tmp and /dev/shm, the only folders in which a sample may write."""
    for folder in WRITABLE_FOLDERS:
        _mount(
            "tmpfs",
            folder,
            "tmpfs",
            MS_NOSUID | MS_NODEV | MS_NOATIME,
            TMPFS_OPTIONS % (MAX_FOLDER_MB, MAX_FOLDER_FILES),
        )


def replace_writable_folders() -> None:
    """Unmounts this process's /tmp and /dev/shm, and mounts new and empty folders in their place."""
    for folder in WRITABLE_FOLDERS:
        _check_system_call(_libc.umount2(folder.encode(), MNT_DETACH), f"umount {folder}")
    mount_writable_folders()
