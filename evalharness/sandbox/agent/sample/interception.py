"""BigCodeBench's replacements for functions that end, start or signal processes.

This is no protection: a test that waits for a killed process, or reads what a command printed, ends differently with
the real functions. Source: bigcode-project/bigcodebench bigcodebench/eval/utils.py `safe_environment`,
`reliability_guard`, `swallow_subprocess_output`.
"""

import builtins
import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any


def restrict_process_functions() -> None:
    """Replaces, in this process, functions that end, start or signal processes, as BigCodeBench's grader does."""
    faulthandler.disable()
    os.environ.update(TZ="UTC", OMP_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0")
    time.tzset()
    builtins.exit = builtins.quit = None  # type: ignore[assignment]
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    _intercept_signals_and_commands()


def _intercept_signals_and_commands() -> None:
    """Limits signals to the process itself and its children; disables commands that contain "kill".

    Unlike the official grader, also permits signals to children that Popen did not start, because a
    multiprocessing Pool hangs without them.
    """
    kill, killpg, system, popen = os.kill, os.killpg, os.system, os.popen
    call, check_output, run, real_popen = subprocess.call, subprocess.check_output, subprocess.run, subprocess.Popen
    own, own_group, read = os.getpid(), os.getpgid(0), open
    started: list[int] = []

    def is_child(pid: int) -> bool:
        with contextlib.suppress(OSError), read(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1]) == own
        return False

    def kill_own_process(pid: int, sig: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.getpgid(pid)
            if pid == own or pid in started or is_child(pid):
                kill(pid, sig)

    def kill_own_process_group(pgid: int, sig: int) -> None:
        if pgid == own_group or pgid in {os.getpgid(pid) for pid in started}:
            killpg(pgid, sig)

    def system_ignoring_kill(command: Any) -> int:
        return 0 if "kill" in command else system(command)

    def call_ignoring_kill(command: Any, *args: Any, **more: Any) -> int:
        return 0 if "kill" in command else call(command, *args, **more)

    def check_output_ignoring_ps(command: Any, *args: Any, **more: Any) -> Any:
        return b"" if "ps" in command else check_output(command, *args, **more)

    def run_ignoring_kill(*args: Any, **more: Any) -> Any:
        return subprocess.CompletedProcess(args, 0, b"", b"") if "kill" in args[0] else run(*args, **more)

    def popen_ignoring_kill(command: Any) -> Any:
        return popen("echo Intercepted" if "kill" in command else command)

    class Popen(real_popen):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **more: Any):
            super().__init__(*args, **{**more, "preexec_fn": os.setsid})
            started.append(self.pid)

        def communicate(self, *args: Any, **more: Any) -> Any:
            try:
                return super().communicate(*args, **more)
            except subprocess.TimeoutExpired:
                return None, None

        def kill(self) -> None:
            kill_own_process(self.pid, signal.SIGTERM)

        def terminate(self) -> None:
            kill_own_process(self.pid, signal.SIGTERM)

    def ignore_exec(*args: Any, **more: Any) -> None:
        pass

    replacements: dict[str, Any] = {
        "kill": kill_own_process,
        "killpg": kill_own_process_group,
        "system": system_ignoring_kill,
    }
    replacements |= {"popen": popen_ignoring_kill, "execv": ignore_exec, "execvp": ignore_exec, "execvpe": ignore_exec}
    for name, function in replacements.items():
        setattr(os, name, function)
    replacements = {"call": call_ignoring_kill, "check_output": check_output_ignoring_ps}
    replacements |= {"run": _redirect_output_to_pipes(run_ignoring_kill), "Popen": _redirect_output_to_pipes(Popen)}
    for name, function in replacements.items():
        setattr(subprocess, name, function)


def _redirect_output_to_pipes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a `subprocess` function changed to redirect stdout and stderr to pipes unless its caller sets them.

    For the class Popen, too, returns a function, as the official grader does.
    """

    def call_with_pipes(*args: Any, **more: Any) -> Any:
        if more.get("capture_output"):
            more = {name: value for name, value in more.items() if name not in ("stdout", "stderr")}
        else:
            more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return function(*args, **more)

    return call_with_pipes
