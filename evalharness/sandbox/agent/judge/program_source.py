"""The source file of a program that commands run: a plain file, or a pipe that can be read only once."""

import contextlib
import fcntl
import os
from collections.abc import Sequence

from ..shared.messages import StepMessage

MAX_PIPE_BYTES = 1 << 20
"""Most bytes that a pipe may hold."""


class ProgramSource:
    """The file that contains a program's source; if `piped`, a named pipe instead of a plain file.

    A pipe contains the program as one compound command of a shell. The shell reads all of it before it runs the first
    statement, so the running program cannot read its own source from the pipe.
    """

    def __init__(self, path: str, program: bytes, piped: bool):
        self.path, self.writer = path, -1
        text = b"{ %b\n}\n" % program
        if not piped or len(text) > MAX_PIPE_BYTES:
            with open(path, "wb") as file:
                file.write(program)
            return
        os.mkfifo(path)
        os.chmod(path, 0o644)
        self.writer = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, MAX_PIPE_BYTES)
        os.write(self.writer, text)

    def is_unopened_pipe(self) -> bool:
        """Returns whether the source is a pipe that no shell has opened yet."""
        return self.writer >= 0

    def replace_opened_pipe(self) -> None:
        """Replaces the pipe, after a shell has opened it, by an empty file, and closes the judge's end of the pipe."""
        os.unlink(self.path)
        with open(self.path, "wb"):
            pass
        self.close()

    def close(self) -> None:
        """Closes the judge's end of the pipe, if there is one, so that the shell finds the end of its script."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def remove_if_unused(self, steps: Sequence[StepMessage], finished_step: StepMessage) -> None:
        """Removes the source file after the step `finished_step`, unless a later step's command uses it."""
        later = steps[steps.index(finished_step) + 1 :]
        if later and not any(os.path.basename(self.path) in step["command"] for step in later):
            with contextlib.suppress(OSError):
                os.unlink(self.path)
