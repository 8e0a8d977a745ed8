"""What the official graders take away from a program, reproduced because verdicts depend on it.

Not protection: a program that calls `os.getcwd()` fails under the official graders, so it must fail here. What
protects the machine is the container and the user that the process runs as.
Sources: openai/human-eval human_eval/execution.py `reliability_guard`, `swallow_io`; evalplus/evalplus
evalplus/eval/utils.py, which also takes `open` away; LiveCodeBench/LiveCodeBench lcb_runner/evaluation/testing_util.py
`reliability_guard`, which leaves `exit`.
"""

import builtins
import faulthandler
import io
import os
import shutil
import subprocess
import sys

from . import intercept

OS_NAMES = (
    *("kill", "system", "putenv", "remove", "removedirs", "rmdir", "fchdir", "setuid", "fork", "forkpty", "killpg"),
    *("rename", "renames", "truncate", "replace", "unlink", "fchmod", "fchown", "chmod", "chown", "chroot"),
    *("lchflags", "lchmod", "lchown", "getcwd", "chdir"),
)
BUILTINS = {
    "human-eval": ("exit", "quit", "help"),
    "evalplus": ("exit", "quit", "help", "open"),
    "livecodebench": ("quit", "help"),
}
"""By guard."""
SWALLOWING = ("human-eval", "evalplus", "bigcodebench")
"""The guards under which nothing is read or printed."""
MODULES = ("ipdb", "joblib", "resource", "psutil", "tkinter")


class WriteOnly(io.StringIO):
    """Takes what is printed and refuses to be read, so that `input()` raises OSError."""

    def read(self, *_: object) -> str:
        raise OSError

    def readline(self, *_: object) -> str:  # type: ignore[override]
        raise OSError

    def readlines(self, *_: object) -> list[str]:  # type: ignore[override]
        raise OSError

    def readable(self) -> bool:
        return False


def swallow_io() -> None:
    """Discards what is printed from here on and makes every read from stdin raise OSError."""
    sys.stdout = sys.stderr = sys.stdin = WriteOnly()


def apply(name: str) -> None:
    """Applies the guard of that name, one of `BUILTINS` or `bigcodebench`, to this process."""
    if name == "bigcodebench":
        return intercept.apply()
    if name not in BUILTINS:
        raise ValueError(f"unknown guard {name!r}")
    faulthandler.disable()
    os.environ["OMP_NUM_THREADS"] = "1"
    for attribute in OS_NAMES:
        setattr(os, attribute, None)
    for module, attributes in ((shutil, ("rmtree", "move", "chown")), (subprocess, ("Popen",))):
        for attribute in attributes:
            setattr(module, attribute, None)
    for attribute in BUILTINS[name]:
        setattr(builtins, attribute, None)
    for missing in MODULES:
        sys.modules[missing] = None  # type: ignore[assignment]
    return None
