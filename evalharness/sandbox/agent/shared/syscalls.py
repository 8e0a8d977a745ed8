"""A seccomp filter of system calls that each sample's process installs itself, whichever engine confines it.

It refuses new namespaces and mounts, access to other processes' memory, sockets of every family but AF_UNIX, and calls
that ordinary programs never make. It also refuses every call by which a process could leave something that outlives it:
the kernel's keyrings and System V objects, attributes of the image's files, what the page cache holds, notifications
of what others do.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
from collections.abc import Iterator

REFUSED_CALLS = {
    # name: (x86_64, aarch64); None where a machine lacks the call
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "lookup_dcookie": (212, 18),
    "fanotify_init": (300, 262),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "mincore": (27, 232),
    "io_setup": (206, 0),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "mbind": (237, 235),
    "get_mempolicy": (239, 236),
    "set_mempolicy": (238, 237),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
}
"""System calls that fail with EPERM: their numbers on x86_64 and aarch64."""
IGNORED_CALLS = {"fadvise64": (221, 223), "readahead": (187, 213), "sync": (162, 81), "syncfs": (306, 267)}
"""System calls that succeed and do nothing: advice to the kernel, which honest programs give, too."""
FIRST_REFUSED_NUMBER = 450
"""System calls from this number on are refused: they are newer than all that runtimes need, and several show or change
what the machine caches.
"""
CLONE, CLONE3 = (56, 220), 435
SOCKET, SOCKETPAIR, GETSOCKOPT = (41, 198), (53, 199), (55, 209)
PREADV2, PWRITEV2 = (327, 286), (328, 287)
"""preadv2 and pwritev2, whose flags ask whether the page cache holds a part of a file."""
IOCTL, FCNTL = (16, 29), (72, 25)
"""ioctl and fcntl."""
TERMINAL_IOCTLS = 0x5400
"""The group of ioctl requests that is allowed: of terminals and pipes. Those of file systems set and show hidden flags.
"""
REFUSED_FCNTL_COMMANDS = (1024, 1026, 1036, 1038)
"""F_SETLEASE, F_NOTIFY, F_SET_RW_HINT and F_SET_FILE_RW_HINT, which act on files that a process can only read."""
SOL_SOCKET, SO_COOKIE = 1, 57
"""SOL_SOCKET, and SO_COOKIE: it counts the sockets of the whole machine."""
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""By machine: the column in `REFUSED_CALLS`, and the kernel's constant for the architecture."""
NAMESPACE_FLAGS = 0x7E020000
LOAD, AND, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
AT_NUMBER, AT_ARCHITECTURE, AT_ARGUMENTS = 0, 4, 16
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
BpfInstruction = tuple[int, int, int, int]
CallNumbers = tuple[int, int]
"""The numbers of a system call on x86_64 and aarch64."""
ArgumentRule = tuple[CallNumbers, list[BpfInstruction]]
"""A system call, and the BPF instructions that allow or refuse it by its arguments."""


def build_seccomp_program() -> bytes | None:
    """Returns the seccomp filter as a BPF program in bytes; None for an unsupported machine type."""
    if platform.machine() not in MACHINES:
        return None
    column, architecture = MACHINES[platform.machine()]
    steps: list[BpfInstruction] = [
        (LOAD, 0, 0, AT_ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, architecture),
        _instruction_returning_error(errno.EPERM),
        (LOAD, 0, 0, AT_NUMBER),
        (JUMP_EQUAL, 0, 1, CLONE3),
        _instruction_returning_error(errno.ENOSYS),  # the filter cannot read its flags; libraries fall back to clone
        (JUMP_AT_LEAST, 0, 1, FIRST_REFUSED_NUMBER),  # among them those of the x32 ABI
        _instruction_returning_error(errno.ENOSYS),
    ]
    for calls, error in ((REFUSED_CALLS, errno.EPERM), (IGNORED_CALLS, 0)):
        for number in (numbers[column] for numbers in calls.values()):
            if number is not None:
                steps += [(JUMP_EQUAL, 0, 1, number), _instruction_returning_error(error)]
    for call, rule in _argument_rules():
        steps += [(JUMP_EQUAL, 0, len(rule), call[column]), *rule]
    steps.append((RETURN, 0, 0, SECCOMP_RET_ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _instruction_returning_error(error_number: int) -> BpfInstruction:
    return (RETURN, 0, 0, SECCOMP_RET_ERRNO | error_number)


def _instruction_loading_argument(position: int) -> BpfInstruction:
    """Returns the BPF instruction that loads the low 32 bits of a system call's argument number `position` (from 0)."""
    return (LOAD, 0, 0, AT_ARGUMENTS + 8 * position)


def _argument_rules() -> Iterator[ArgumentRule]:
    """Yields a rule for each system call that is allowed or refused depending on its arguments."""
    allow = (RETURN, 0, 0, SECCOMP_RET_ALLOW)
    yield (
        CLONE,
        [
            _instruction_loading_argument(0),
            (JUMP_ANY_BIT, 0, 1, NAMESPACE_FLAGS),
            _instruction_returning_error(errno.EPERM),
            allow,
        ],
    )
    for call in (SOCKET, SOCKETPAIR):
        yield (
            call,
            [
                _instruction_loading_argument(0),
                (JUMP_EQUAL, 1, 0, socket.AF_UNIX),
                _instruction_returning_error(errno.EAFNOSUPPORT),
                allow,
            ],
        )
    for call in (PREADV2, PWRITEV2):
        yield (
            call,
            [
                _instruction_loading_argument(5),
                (JUMP_EQUAL, 1, 0, 0),
                _instruction_returning_error(errno.EOPNOTSUPP),
                allow,
            ],
        )
    requests: list[BpfInstruction] = [
        _instruction_loading_argument(1),
        (AND, 0, 0, 0xFFFFFF00),
        (JUMP_EQUAL, 1, 0, TERMINAL_IOCTLS),
    ]
    yield IOCTL, [*requests, _instruction_returning_error(errno.ENOTTY), allow]
    hidden: list[BpfInstruction] = [_instruction_loading_argument(1)]
    for command in REFUSED_FCNTL_COMMANDS:
        hidden += [(JUMP_EQUAL, 0, 1, command), _instruction_returning_error(errno.EPERM)]
    yield FCNTL, [*hidden, allow]
    option = [
        _instruction_loading_argument(1),
        (JUMP_EQUAL, 0, 3, SOL_SOCKET),
        _instruction_loading_argument(2),
        (JUMP_EQUAL, 0, 1, SO_COOKIE),
    ]
    yield GETSOCKOPT, [*option, _instruction_returning_error(errno.ENOPROTOOPT), allow]


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


_prctl = ctypes.CDLL(None, use_errno=True).prctl
_program = build_seccomp_program()
_buffer = ctypes.create_string_buffer(_program) if _program else None
_filter = _SockFprog(len(_program) // 8, ctypes.addressof(_buffer)) if _program and _buffer else None


def install_seccomp_filter() -> bool:
    """Installs the seccomp filter for this process and its descendants. Returns False if it is not supported."""
    if _filter is None or _prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return bool(_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(_filter), 0, 0) == 0)


def is_seccomp_filter_supported() -> bool:
    """Returns whether the seccomp filter can be installed in this container. Tries it in a separate process."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if install_seccomp_filter() else 1)
    return os.waitpid(pid, 0)[1] == 0
