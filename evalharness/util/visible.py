"""Makes characters visible that change how a text is shown: terminal escapes, bidirectional controls and their like."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from evalharness.errors import UserError

CONTROL_CHARACTERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control characters except line break and tab, bidirectional controls, invisible characters, and surrogates."""


def escape_control_characters(text: str) -> str:
    """Returns the text with control, bidirectional and invisible characters written as `\\x1b`, `\\u202e` and so on."""
    return CONTROL_CHARACTERS.sub(lambda match: ascii(match[0])[1:-1], text)


@contextlib.contextmanager
def raise_write_error_as_user_error(stream: TextIO) -> Iterator[None]:
    """A context manager that raises UserError if its block cannot write to `stream`.

    If the reading end of a pipe is closed, raises BrokenPipeError instead.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # for what Python writes at its end
        raise UserError(
            f"cannot write to stdout or stderr: {error.strerror}; redirect the output to another file"
        ) from None


class EscapingStream:
    """A text stream that writes control and invisible characters as escapes (see `escape_control_characters`)."""

    def __init__(self, stream: TextIO):
        self.raw = stream

    def write(self, text: str) -> int:
        """Writes a text; returns its number of characters. Raises UserError if writing fails (full disk)."""
        with raise_write_error_as_user_error(self.raw):
            self.raw.write(escape_control_characters(text))
        return len(text)

    def flush(self) -> None:
        """Flushes the wrapped stream. Raises UserError if writing fails, such as for a full disk."""
        with raise_write_error_as_user_error(self.raw):
            self.raw.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


def unwrap_stream(stream: TextIO) -> TextIO:
    """Returns the stream that an `EscapingStream` wraps, for a writer that escapes control characters itself."""
    return stream.raw if isinstance(stream, EscapingStream) else stream


@contextlib.contextmanager
def escape_standard_streams() -> Iterator[None]:
    """A context manager that makes stdout and stderr write control and invisible characters as escapes like `\\x1b`."""
    stdout, stderr = EscapingStream(unwrap_stream(sys.stdout)), EscapingStream(unwrap_stream(sys.stderr))
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        yield
