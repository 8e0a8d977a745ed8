"""The source file of a program that commands run: a plain file, or a pipe that can be read only once."""

import contextlib
import fcntl
import os
from collections.abc import Sequence

from ..shared.messages import StepMessage

LARGEST_PIPE = 1 << 20
"""Most bytes that a pipe may hold."""


class ProgramSource:
    """A program's source file, or a pipe in its place if `piped`.

    The text of a pipe is one compound command of a shell, which the shell parses whole before it runs it; so nothing is
    left to read when the program starts.
    """

    def __init__(self, path: str, program: bytes, piped: bool):
        self.path, self.writer = path, -1
        text = b"{ %b\n}\n" % program
        if not piped or len(text) > LARGEST_PIPE:
            with open(path, "wb") as file:
                file.write(program)
            return
        os.mkfifo(path)
        os.chmod(path, 0o644)
        self.writer = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, LARGEST_PIPE)
        os.write(self.writer, text)

    def is_pipe(self) -> bool:
        """Returns whether the source is in a pipe that no shell has opened yet."""
        return self.writer >= 0

    def opened(self) -> None:
        """Closes the pipe after a shell has opened it, and puts an empty file in its place."""
        os.unlink(self.path)
        with open(self.path, "wb"):
            pass
        self.close()

    def close(self) -> None:
        """Closes the judge's end of the pipe, if there is one.

        The shell that reads the pipe then reaches the end of its script.
        """
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def remove_if_unused(self, steps: Sequence[StepMessage], done: StepMessage) -> None:
        """Removes the source file after the step `done`, if no later step uses it."""
        later = steps[steps.index(done) + 1 :]
        if later and not any(os.path.basename(self.path) in step["command"] for step in later):
            with contextlib.suppress(OSError):
                os.unlink(self.path)
