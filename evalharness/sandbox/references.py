"""The cache of expected outputs, which the reference solutions produce in the sandbox once."""

import hashlib
import os
import struct
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from evalharness.errors import UserError
from evalharness.records import ReferenceSolution
from evalharness.sandbox.agent.shared.wire import dumps

HEADER = struct.Struct("!d16s")
"""Header of a cache file: CPU seconds of the reference solution, and a digest of the bytes that follow."""


def cache_folder() -> Path:
    """Returns the harness's cache folder: `$EVALHARNESS_CACHE`, else evalharness/ in the user's cache folder."""
    chosen = os.environ.get("EVALHARNESS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evalharness"


class RecordedOutputs(NamedTuple):
    """The result of running a reference solution: its CPU seconds, and its outputs in the sandbox agent's encoding."""

    cpu_s: float
    outputs: bytes


class ReferenceCache:
    """The cache on disk of the outputs of reference solutions: one file per solution, named by its `cache_key`.

    A file contains the outputs in the sandbox agent's encoding. They are what samples are expected to return.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = (folder or cache_folder()) / "references"
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def cache_key(self, interpreter: str, reference: ReferenceSolution) -> str:
        """Returns the cache key of a reference solution: a digest of interpreter, source, entry point and inputs.

        `interpreter` names what runs it: the sandbox image and PYTHONHASHSEED.
        """
        parts = (
            interpreter,
            reference.source,
            reference.entry_point,
            reference.output_not_none,
            dict(reference.groups),
        )
        return hashlib.sha256(dumps(parts)).hexdigest()

    def cpu_seconds(self, key: str) -> float | None:
        """Returns the CPU seconds that the reference solution with this cache key needed; None if it is not cached."""
        try:
            with self._cache_file_path(key).open("rb") as file:
                return float(HEADER.unpack(file.read(HEADER.size))[0])
        except (OSError, struct.error):
            return None

    def get_or_compute_outputs(self, key: str, compute: Callable[[], RecordedOutputs]) -> bytes:
        """Returns the expected outputs in the agent's encoding. If they are not cached, computes and caches them first.

        `compute` runs the reference solution; for each key only one thread at a time calls it. Raises UserError
        if the cache cannot be written.
        """
        with self._locks[key]:
            data = self._read_outputs(key)
            if data is None:
                seconds, data = compute()
                self._write_cache_file(key, HEADER.pack(seconds, _digest_of_bytes(data)) + data)
            return data

    def _read_outputs(self, key: str) -> bytes | None:
        """Returns the cached bytes of expected outputs; None if the file is missing or damaged."""
        try:
            content = self._cache_file_path(key).read_bytes()
            data = content[HEADER.size :]
            return data if HEADER.unpack(content[: HEADER.size])[1] == _digest_of_bytes(data) else None
        except (OSError, struct.error):
            return None

    def _cache_file_path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.bin"

    def _write_cache_file(self, key: str, data: bytes) -> None:
        file = self._cache_file_path(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=file.parent) as folder:
                (Path(folder) / file.name).write_bytes(data)
                (Path(folder) / file.name).replace(file)
        except OSError as error:
            raise UserError(
                f"cannot write the cache of expected outputs to {self.folder}: {error.strerror}; "
                "set EVALHARNESS_CACHE to a writable folder"
            ) from None


def _digest_of_bytes(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
