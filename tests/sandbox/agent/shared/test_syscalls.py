"""The filter of system calls, installed in processes of the tests' own."""

import ctypes
import errno
import os
import socket
import sys
from collections.abc import Callable

import pytest

from evalharness.sandbox.agent.shared import syscalls

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or syscalls.build_seccomp_program() is None, reason="needs a known machine"
)

ALLOWED = 0
FAMILIES = [number for number in range(64) if number != socket.AF_UNIX]


def filtered(action: Callable[[], object]) -> int:
    """Returns the error number with which the action fails in a process with the filter; 0 if it succeeds."""
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            if syscalls.install_seccomp_filter():
                action()
                code = ALLOWED
        except OSError as error:
            code = error.errno or 254
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def call(name: str, *arguments: int) -> Callable[[], object]:
    column = syscalls.MACHINES[os.uname().machine][0]
    numbers = syscalls.REFUSED_CALLS | syscalls.IGNORED_CALLS
    number = numbers[name][column]
    return lambda: raw(number, *arguments)


def raw(number: int, *arguments: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(number, *map(ctypes.c_long, arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def test_only_sockets_of_this_machine_can_be_made() -> None:
    def make_all() -> None:
        for family in FAMILIES:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
                with pytest.raises(OSError, match="family not supported"):
                    socket.socket(family, kind)
            with pytest.raises(OSError, match="family not supported"):
                socket.socketpair(family)

    assert filtered(make_all) == ALLOWED
    assert filtered(lambda: [end.send(b"x") for end in socket.socketpair()]) == ALLOWED


def test_the_family_is_read_as_the_kernel_reads_it() -> None:
    column = syscalls.MACHINES[os.uname().machine][0]
    assert filtered(lambda: raw(syscalls.SOCKET[column], 1 << 32 | socket.AF_INET, socket.SOCK_STREAM, 0)) != ALLOWED


@pytest.mark.parametrize("name", ["mincore", "inotify_init1", "keyctl", "shmget", "unshare", "name_to_handle_at"])
def test_a_call_is_refused(name: str) -> None:
    assert filtered(call(name)) == errno.EPERM


@pytest.mark.parametrize("number", [451, 457, 470, 1 << 30, 435])
def test_new_calls_are_unknown(number: int) -> None:
    assert filtered(lambda: raw(number)) == errno.ENOSYS


def test_advice_succeeds_without_effect() -> None:
    assert filtered(call("fadvise64", -1, 0, 0, 4)) == ALLOWED  # a descriptor that does not exist
    with open(__file__) as file:
        assert filtered(lambda: os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)) == ALLOWED


def test_a_read_cannot_ask_whether_a_page_is_cached() -> None:
    with open(__file__, "rb") as file:
        fd = file.fileno()
        assert filtered(lambda: os.preadv(fd, [bytearray(9)], 0, os.RWF_NOWAIT)) == errno.EOPNOTSUPP
        assert filtered(lambda: os.preadv(fd, [bytearray(9)], 0)) == ALLOWED


def test_requests_of_file_systems_are_refused() -> None:
    import fcntl
    import termios

    reading, writing = os.pipe()
    os.write(writing, b"abc")
    with open(__file__, "rb") as file:
        fd = file.fileno()
        assert filtered(lambda: fcntl.ioctl(fd, 0x80086601, bytes(8))) == errno.ENOTTY  # FS_IOC_GETFLAGS
        assert filtered(lambda: fcntl.fcntl(fd, 1036, bytes(8))) == errno.EPERM  # F_SET_RW_HINT
        assert filtered(lambda: fcntl.flock(fd, fcntl.LOCK_SH)) == ALLOWED
    assert filtered(lambda: fcntl.ioctl(reading, termios.FIONREAD, bytes(4))) == ALLOWED
    os.close(reading)
    os.close(writing)


def test_the_number_of_a_socket_is_hidden() -> None:
    def ask(option: int, size: int) -> Callable[[], object]:
        return lambda: socket.socketpair()[0].getsockopt(socket.SOL_SOCKET, option, size)

    assert filtered(ask(57, 8)) == errno.ENOPROTOOPT
    assert filtered(ask(socket.SO_SNDBUF, 4)) == ALLOWED
