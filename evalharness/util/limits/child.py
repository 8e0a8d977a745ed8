"""The child processes of `util.limits.calls`: a fork server, and the workers that it forks, which call functions.

The fork server imports the modules once; a worker that its limits ended is replaced by a fork, in milliseconds.
"""

import contextlib
import importlib
import json
import os
import pickle
import resource
import signal
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypedDict

MAX_REQUEST_BYTES = 1 << 16
"""Maximum size of a request to the fork server, in bytes."""


class FunctionCall(TypedDict):
    """A request to a child process to call a function. It is sent pickled, because a child trusts its parent."""

    imports: tuple[str, ...]
    """Modules to import first; the last one has the function."""
    function: str
    arguments: tuple[object, ...]
    cpu_s: float


class CallResult(TypedDict, total=False):
    """A child process's answer to a call: the function's value, or the type (`error`) and message of its exception.

    It is sent as JSON, because the parent does not trust a child.
    """

    value: object
    error: str
    message: str


def run_fork_server(control_fd: int) -> None:
    """Runs the fork server: forks a child process for each socket that it receives, until the parent process ends.

    The sockets arrive on the socket with the file descriptor `control_fd`. The text that arrives with a socket has the
    child's memory limit in MB and the modules to import first, separated by spaces.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps the workers
    control = socket.socket(fileno=control_fd)
    while True:
        request, fds, _, _ = socket.recv_fds(control, MAX_REQUEST_BYTES, 1)
        if not request:
            return
        memory_mb, *modules = request.decode().split()
        for module in modules:
            with contextlib.suppress(Exception):  # the call reports it
                importlib.import_module(module)
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer_calls(Connection(fds[0]), int(memory_mb))
        os.close(fds[0])


def _answer_calls(channel: Connection, memory_mb: int) -> None:
    """Runs a child process: calls the functions that arrive on `channel` until the parent ends. Never returns."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        channel.send_bytes(str(os.getpid()).encode())
        while True:
            channel.send_bytes(_answer_call(pickle.loads(channel.recv_bytes())))
    except (EOFError, OSError):
        os._exit(0)


def _answer_call(call: FunctionCall) -> bytes:
    """Calls the function that `call` names; returns its value or exception, a `CallResult`, as JSON."""
    answer: CallResult
    try:
        *_, module = [importlib.import_module(name) for name in call["imports"]]
        function = vars(module)[call["function"]]
        signal.setitimer(signal.ITIMER_PROF, call["cpu_s"])  # its signal ends the process
        try:
            answer = {"value": function(*call["arguments"])}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return json.dumps(answer).encode()
    except Exception as error:
        return json.dumps(CallResult(error=type(error).__name__, message=str(error)[:1000])).encode()


if __name__ == "__main__":
    run_fork_server(int(sys.argv[1]))
