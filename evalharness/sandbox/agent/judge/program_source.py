"""The source file of a program that commands run: a plain file, or a pipe that can be read only once."""

import contextlib
import fcntl
import os
from collections.abc import Sequence

from ..shared.messages import StepMessage

LARGEST_PIPE = 1 << 20
"""Most bytes that a pipe may hold."""


class Source:
    """A program's source file. With `piped`, it is a pipe, and its text one compound command of a shell.

    A shell parses a compound command whole before it runs it, so that nothing is left to read when the program starts.
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
        """Returns whether the source is in a pipe, which the judge keeps open until a shell opens it."""
        return self.writer >= 0

    def opened(self) -> None:
        """Ends the text of a pipe that a shell has opened. An empty file takes the pipe's place."""
        os.unlink(self.path)
        with open(self.path, "wb"):
            pass
        self.close()

    def close(self) -> None:
        """Closes the pipe: the shell that reads it reaches the end of its script."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def remove_if_unused(self, steps: Sequence[StepMessage], done: StepMessage) -> None:
        """Removes the source file after the step `done`, if no later step uses it."""
        later = steps[steps.index(done) + 1 :]
        if later and not any(os.path.basename(self.path) in step["command"] for step in later):
            with contextlib.suppress(OSError):
                os.unlink(self.path)
