"""Calls functions that parse untrusted samples in child processes, with limits of processor time and memory.

Some readers of texts are not linear in time and cannot be made so: Python's parser, official sanitizers, parsers with
error recovery. In this process a hostile text would make them hold the interpreter's lock for minutes, and all threads
with it. In a child process only the sample itself is affected.
"""

import atexit
import contextlib
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeVar, cast

from evalharness.errors import InfrastructureError
from evalharness.util.limits.child import CallResult, FunctionCall

CPU_LIMIT_S = 1.0
"""Limit of a call's processor time, in seconds. The texts of honest samples need some milliseconds."""
MEMORY_LIMIT_MB = 1024
"""Limit of a call's memory, in MB, beyond the modules that its function needs."""
WALL_CLOCK_LIMIT_S = 120.0
"""Seconds after which a worker that neither answers nor uses its processor time is ended."""
MAX_ANSWER_BYTES = 64 << 20
EXCEEDED_ERRORS = ("MemoryError", "RecursionError")
"""Exceptions by which a call reports that its text is too large or too deeply nested."""

POLL_INTERVAL_S = 0.2
"""Seconds between checks whether the calling thread has been stopped."""
STOP_EVENT: ContextVar[threading.Event | None] = ContextVar("stopped", default=None)
"""A thread may put an event here; once the event is set, the thread's calls end with LimitExceeded."""

Value = TypeVar("Value")


class LimitExceeded(Exception):
    """Raised if a function call in a child process exceeds its limit of processor time or memory."""


class _ChildProcess(NamedTuple):
    channel: Connection
    pid: int


def bounded_call(
    function: Callable[..., Value], *arguments: Any, cpu_s: float = CPU_LIMIT_S, imports: tuple[str, ...] = ()
) -> Value:
    """Calls `function(*arguments)` in a child process with limits of time and memory; returns its value. Thread-safe.

    The function must be defined at the top level of a module. Its value must consist of JSON's types: None, bool,
    numbers, str, list and dict; a tuple is returned as a list. `imports` are modules that the function imports; their
    import time does not count. Raises LimitExceeded if the call needs more than `cpu_s` seconds of processor time or
    `MEMORY_LIMIT_MB` of memory, or ends its process; RuntimeError for any other exception of the function;
    InfrastructureError if no child process can be started.
    """
    return cast(Value, _pool.call(function, arguments, cpu_s, imports))


class _ChildProcessPool:
    """The child processes that run bounded calls, at most one per core, and the fork server that starts them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = threading.BoundedSemaphore(os.cpu_count() or 1)
        self._idle: list[_ChildProcess] = []
        self._modules: set[str] = set()
        self._control: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def call(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], cpu_s: float, imports: tuple[str, ...]
    ) -> Any:
        """Calls a function in an idle or new child process; returns its value (see `bounded_call`)."""
        call = FunctionCall(
            imports=(*imports, function.__module__), function=function.__name__, arguments=arguments, cpu_s=cpu_s
        )
        with self._running:
            worker = self._idle_or_new_child(call["imports"])
            try:
                answer = _send_call(worker, call)
            except BaseException:
                worker.channel.close()
                with contextlib.suppress(OSError):
                    os.kill(worker.pid, 9)
                raise
            with self._lock:
                self._idle.append(worker)
        if "error" not in answer:
            return answer.get("value")
        if answer["error"] in EXCEEDED_ERRORS:
            raise LimitExceeded(_make_limits_exceeded_message(cpu_s))
        raise RuntimeError(f"{function.__name__} raised {answer['error']}: {answer.get('message', '')}")

    def _idle_or_new_child(self, modules: Sequence[str]) -> _ChildProcess:
        """Returns an idle child process, or a new one that has imported `modules`.

        Raises InfrastructureError if none can be started.
        """
        with self._lock:
            self._modules.update(modules)
            if self._idle:
                return self._idle.pop()
            try:
                return self._start_child()
            except (OSError, EOFError) as error:
                self.close()
                raise InfrastructureError(
                    f"cannot start a child process for parsing samples: {error!r}; free memory, or raise the "
                    "limit of processes (ulimit -u)"
                ) from None

    def _start_child(self) -> _ChildProcess:
        """Starts a child process, and the fork server if it is not running; returns the child process."""
        if self._server is None or self._server.poll() is not None:
            self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with other:
                self._server = subprocess.Popen(
                    [sys.executable, "-m", "evalharness.util.limits.child", str(other.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[other.fileno()],
                    env={
                        **os.environ,
                        "OPENBLAS_NUM_THREADS": "1",
                        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    },
                    start_new_session=True,  # the terminal's Ctrl-C is for the parent
                )
        assert self._control is not None
        ours, theirs = socket.socketpair()
        with theirs:
            request = " ".join([str(MEMORY_LIMIT_MB), *sorted(self._modules)])
            socket.send_fds(self._control, [request.encode()], [theirs.fileno()])
        channel = Connection(ours.detach())
        if not channel.poll(WALL_CLOCK_LIMIT_S):
            channel.close()
            raise OSError(f"the child process that parses samples did not start within {WALL_CLOCK_LIMIT_S:g} s")
        return _ChildProcess(channel, int(channel.recv_bytes(100)))

    def close(self) -> None:
        """Ends all child processes."""
        for worker in self._idle:
            worker.channel.close()
        self._idle.clear()
        if self._control:
            self._control.close()
        if self._server:
            self._server.kill()
            self._server.wait()
        self._control = self._server = None

    def close_in_forked_process(self) -> None:
        """Closes the connections that this process, after a fork, has to the child processes of its parent."""
        for worker in self._idle:
            worker.channel.close()
        if self._control:
            self._control.close()


def _send_call(child: _ChildProcess, call: FunctionCall) -> CallResult:
    """Sends a function call to a child process; returns the child's answer. Raises LimitExceeded if there is none."""
    try:
        child.channel.send_bytes(pickle.dumps(call))
        if not _wait_for_answer(child.channel):
            raise LimitExceeded(f"parsing the text needs more than {WALL_CLOCK_LIMIT_S:g} s of wall-clock time")
        return cast(CallResult, json.loads(child.channel.recv_bytes(MAX_ANSWER_BYTES)))
    except (EOFError, OSError):
        raise LimitExceeded(_make_limits_exceeded_message(call["cpu_s"])) from None


def _wait_for_answer(channel: Connection) -> bool:
    """Returns whether a child process answers within the wall-clock limit and before `STOP_EVENT` is set."""
    stopped, deadline = STOP_EVENT.get(), time.monotonic() + WALL_CLOCK_LIMIT_S
    while not channel.poll(POLL_INTERVAL_S):
        if time.monotonic() > deadline or (stopped and stopped.is_set()):
            return False
    return True


def _make_limits_exceeded_message(cpu_s: float) -> str:
    return f"parsing the text needs more than {cpu_s:g} s of processor time or {MEMORY_LIMIT_MB} MB of memory"


_pool = _ChildProcessPool()


def _replace_pool_after_fork() -> None:
    global _pool
    _pool.close_in_forked_process()
    _pool = _ChildProcessPool()


os.register_at_fork(after_in_child=_replace_pool_after_fork)
atexit.register(lambda: _pool.close())
