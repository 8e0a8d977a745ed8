"""Writes files atomically: whole or not at all."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from evalharness.errors import UserError


@contextlib.contextmanager
def open_for_atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A context manager that opens a temporary file for bytes; renames it to `path` if the block raises no exception.

    The content is on the disk (fsync) before the file is renamed. After an exception the temporary file is removed, and
    an existing file at `path` is unchanged. The temporary file is in the same folder, which must exist. Raises OSError
    if the content cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file completely or not at all (see `open_for_atomic_write`)."""
    with open_for_atomic_write(path) as file:
        file.write(content)


def os_error_reason(error: OSError) -> str:
    """Returns the reason that an OSError states, such as "Permission denied", without error number and path.

    For a `shutil.Error`, which has an error for each file, returns the reason of its last file.
    """
    if error.strerror or not error.args or not isinstance(error.args[0], list):
        return error.strerror or str(error)
    return re.sub(r"^\[Errno \d+\] |: '.*", "", str(error.args[0][-1][-1]))


def check_writable(folder: Path) -> None:
    """Raises UserError if the output folder (--out) is not writable or, if it does not exist, cannot be created."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise UserError(f"cannot write to {folder}: {existing} is not a folder; choose another folder with --out")
    if not os.access(existing, os.W_OK):
        raise UserError(f"cannot write to {folder}: Permission denied; choose another folder with --out")
