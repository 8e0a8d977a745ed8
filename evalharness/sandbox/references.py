"""Expected outputs, made by running the reference solution in the sandbox, once, and kept in the user's cache."""

import hashlib
import os
import struct
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from evalharness.errors import UserError
from evalharness.records import Reference
from evalharness.sandbox.agent.wire import dumps

HEAD = struct.Struct("!d16s")
"""CPU seconds of the reference, and a digest of the bytes that follow."""


def cache_folder() -> Path:
    """$EVALHARNESS_CACHE, else evalharness/ in the user's cache folder."""
    chosen = os.environ.get("EVALHARNESS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evalharness"


class ReferenceCache:
    """One file per reference, named by all that decides its content. The bytes are the agent's and stay unread."""

    def __init__(self, folder: Path | None = None):
        self.folder = (folder or cache_folder()) / "references"
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def key(self, interpreter: str, reference: Reference) -> str:
        """Names the reference's outputs by all that decides them: interpreter, source, entry point and inputs."""
        parts = (
            interpreter,
            reference.source,
            reference.entry_point,
            reference.output_not_none,
            dict(reference.groups),
        )
        return hashlib.sha256(dumps(parts)).hexdigest()

    def seconds(self, key: str) -> float | None:
        """CPU seconds that the reference needed, or None if its outputs are not there."""
        try:
            with self._file(key).open("rb") as file:
                return float(HEAD.unpack(file.read(HEAD.size))[0])
        except (OSError, struct.error):
            return None

    def get(self, key: str, make: Callable[[], tuple[float, bytes]]) -> bytes:
        """The outputs' bytes; `make` gives CPU seconds and bytes where they are not kept yet, once at a time."""
        with self._locks[key]:
            data = self._read(key)
            if data is None:
                seconds, data = make()
                self._write(key, HEAD.pack(seconds, _digest(data)) + data)
            return data

    def _read(self, key: str) -> bytes | None:
        """The outputs' bytes, or None where there is no file, or a damaged one."""
        try:
            content = self._file(key).read_bytes()
            data = content[HEAD.size :]
            return data if HEAD.unpack(content[: HEAD.size])[1] == _digest(data) else None
        except (OSError, struct.error):
            return None

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.bin"

    def _write(self, key: str, data: bytes) -> None:
        file = self._file(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=file.parent) as folder:
                (Path(folder) / file.name).write_bytes(data)
                (Path(folder) / file.name).replace(file)
        except OSError as error:
            raise UserError(
                f"cannot keep expected outputs in {self.folder}: {error.strerror}; set EVALHARNESS_CACHE to a folder "
                "that can be written"
            ) from None


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
