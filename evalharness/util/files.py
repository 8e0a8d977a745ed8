"""Writes files atomically: whole or not at all."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from evalharness.errors import UserError


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file for binary writing that takes its name only when the block ends without an exception.

    The content is on the disk (fsync) before it takes the name; after an exception nothing of it is left, and an
    earlier file of that name is untouched. The temporary file lies in the same folder, which must exist.
    Raises OSError where the disk does not accept the content.
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
    """Writes a file whole or not at all; see `atomic_write`."""
    with atomic_write(path) as file:
        file.write(content)


def reason_of(error: OSError) -> str:
    """Returns an OSError's reason without number and path; of a `shutil.Error` about several files, the last one's."""
    if error.strerror or not error.args or not isinstance(error.args[0], list):
        return error.strerror or str(error)
    return re.sub(r"^\[Errno \d+\] |: '.*", "", str(error.args[0][-1][-1]))


def check_writable(folder: Path) -> None:
    """Raises UserError if an output folder, which need not exist, cannot be written or created."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise UserError(f"cannot write to {folder}: {existing} is not a folder; choose another folder with --out")
    if not os.access(existing, os.W_OK):
        raise UserError(f"cannot write to {folder}: Permission denied; choose another folder with --out")
