"""Reads gzip files and lines within size limits: a file may be made to fill memory or disk."""

import gzip
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from evalharness.errors import UserError

GZIP_MAGIC = b"\x1f\x8b"
MAX_EXPANSION_RATIO, ALWAYS_ALLOWED_BYTES = 200, 256 << 20
"""A compressed file may have this many times its size, or this many bytes, when it is read. Texts rarely shrink to less
than a hundredth; a file that was made to fill memory or disk shrinks to a thousandth."""
BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 256 << 20


def read_bounded_lines(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    """Yields the lines of `file`. Raises UserError, which names `path`, if a line has `MAX_LINE_BYTES` or more."""
    for number in itertools.count(1):
        line = file.readline(MAX_LINE_BYTES)
        if len(line) == MAX_LINE_BYTES:
            raise UserError(
                f"{path}, line {number}: the line is longer than {MAX_LINE_BYTES >> 20} MB; remove or shorten it"
            )
        if not line:
            return
        yield line


def open_decompressed(path: Path) -> IO[bytes]:
    """Opens a file for reading; returns it, decompressed if its content is that of a gzip file.

    Raises OSError if the file cannot be opened. Reading it may raise the exceptions of `make_decompressing_reader`.
    """
    file = path.open("rb")
    compressed = file.read(2) == GZIP_MAGIC
    file.seek(0)
    return make_decompressing_reader(path, file) if compressed else file


def make_decompressing_reader(path: Path, file: IO[bytes]) -> IO[bytes]:
    """Returns a readable file with the decompressed content of a gzip file. `path` is for messages only.

    Reading it raises the exceptions of the module `gzip` for a damaged file, and UserError if the content is far larger
    than the file.
    """
    return io.BufferedReader(_DecompressedFile(path, file), BLOCK_BYTES)


class _DecompressedFile(io.RawIOBase):
    """The decompressed content of a gzip file. Reading raises UserError if it is far larger than the file."""

    def __init__(self, path: Path, file: IO[bytes]):
        self._path, self._file, self._read = path, gzip.GzipFile(fileobj=file), 0
        self._source = file
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self._limit = max(ALWAYS_ALLOWED_BYTES, MAX_EXPANSION_RATIO * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        self._read += len(block)
        if self._read > self._limit:
            raise UserError(
                f"{self._path} expands to more than {self._limit >> 20} MB, at least {MAX_EXPANSION_RATIO} times its "
                "compressed size; if that is intended, decompress it yourself and give the decompressed file"
            )
        return len(block)

    def close(self) -> None:
        self._file.close()
        self._source.close()
        super().close()
