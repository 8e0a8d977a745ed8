"""Data files that a page without a server can load: scripts that hand one JSON value each to the page."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHUNK_BYTES = 256_000
"""A chunk is closed as soon as it is this long: small enough to be parsed between two frames."""

Place = tuple[int, int]
"""Where a value lies: the chunk, and the value's index in it."""


def write_script(folder: Path, name: str, value: Any) -> None:
    """Writes `value` as the data file `name`, such as "runs" or "a-run/rows"."""
    _write(folder, name, to_json(value))


def to_json(value: Any) -> str:
    """The value in ASCII, so that no character can end a script, or a line of it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / f"{name}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"evalharness.receive({to_json(name)},{text});\n", encoding="ascii")


class Chunks:
    """Values written one after the other into files of about `CHUNK_BYTES`; only the open chunk is in memory."""

    def __init__(self, folder: Path, name: str):
        self._folder, self._name = folder, name
        self._open: list[str] = []
        self._bytes = 0
        self.closed = 0

    def add(self, value: Any) -> Place:
        """Writes the value, and says where it lies."""
        place = (self.closed, len(self._open))
        text = to_json(value)
        self._open.append(text)
        self._bytes += len(text)
        if self._bytes >= CHUNK_BYTES:
            self.close()
        return place

    def close(self) -> None:
        """Writes the chunk that is open, if there is anything in it."""
        if self._open:
            _write(self._folder, f"{self._name}{self.closed}", f"[{','.join(self._open)}]")
            self.closed += 1
        self._open, self._bytes = [], 0


@contextmanager
def chunks(folder: Path, name: str) -> Iterator[Chunks]:
    """Chunks that are whole at the end of the block."""
    writer = Chunks(folder, name)
    yield writer
    writer.close()
