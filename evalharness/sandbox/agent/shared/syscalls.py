"""A seccomp filter of system calls that each sample's process installs itself, whichever engine confines it.

It refuses new namespaces and mounts, access to other processes' memory, the kernel's keyrings and System V objects (by
which a sample could leave a message for the next), and calls that ordinary programs never make.
"""

import ctypes
import errno
import os
import platform
import struct

NUMBERS = {
    # name: (x86_64, aarch64)
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
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
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_adjtime": (305, 266),
}
CLONE, CLONE3 = (56, 220), 435
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""By machine: the column in `NUMBERS`, and the kernel's constant for the architecture."""
NEW_NAMESPACES = 0x7E020000
X32_BIT = 0x40000000
"""Numbers from here on belong to the x32 ABI."""
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AT_NUMBER, AT_ARCHITECTURE, AT_FIRST_ARGUMENT = 0, 4, 16
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def program() -> bytes | None:
    """Returns the filter as the kernel reads it, or None for a machine whose system call numbers are not listed."""
    if platform.machine() not in MACHINES:
        return None
    column, architecture = MACHINES[platform.machine()]
    refused = [numbers[column] for numbers in NUMBERS.values()]
    steps = [
        (LOAD, 0, 0, AT_ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
        (LOAD, 0, 0, AT_NUMBER),
        (JUMP_AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
        (JUMP_EQUAL, 0, 1, CLONE3),
        (RETURN, 0, 0, REFUSE | errno.ENOSYS),  # the filter cannot read its flags; libraries fall back to clone
    ]
    for number in refused:
        steps += [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE | errno.EPERM)]
    steps += [
        (JUMP_EQUAL, 0, 3, CLONE[column]),
        (LOAD, 0, 0, AT_FIRST_ARGUMENT),
        (JUMP_ANY_BIT, 0, 1, NEW_NAMESPACES),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


_prctl = ctypes.CDLL(None, use_errno=True).prctl
_program = program()
_buffer = ctypes.create_string_buffer(_program) if _program else None
_filter = _Filter(len(_program) // 8, ctypes.addressof(_buffer)) if _program and _buffer else None


def install_filter() -> bool:
    """Installs the filter for this process and its descendants. Returns False if the machine does not support it."""
    if _filter is None or _prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return bool(_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(_filter), 0, 0) == 0)


def is_supported() -> bool:
    """Returns whether the filter can be installed here, tried in a separate process."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if install_filter() else 1)
    return os.waitpid(pid, 0)[1] == 0
