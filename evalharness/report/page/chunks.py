"""Writes data files that the report page can load without a server: scripts that each pass a JSON value to the page."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHUNK_BYTES = 256_000
"""Size at which a data file (a chunk) is closed; a browser parses as much in less than a video frame's time."""

Location = tuple[int, int]
"""Where a value is stored: the number of its chunk (data file), and its index in the chunk."""


def write_data_script(folder: Path, script_name: str, content: Any) -> None:
    """Writes a value as a JavaScript data file of the report page; `script_name` is, for example, "a-run/rows"."""
    _write_javascript_file(folder, script_name, to_script_safe_json(content))


def to_script_safe_json(value: Any) -> str:
    """Returns a value as ASCII JSON that can be embedded in a script: no character in it ends the script or a line."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _write_javascript_file(folder: Path, script_name: str, json_text: str) -> None:
    path = folder / f"{script_name}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"evalharness.receive({to_script_safe_json(script_name)},{json_text});\n", encoding="ascii")


class ChunkWriter:
    """Writes values into data files (chunks) of about `CHUNK_BYTES` each; only the current chunk is in memory."""

    def __init__(self, folder: Path, name_prefix: str):
        self._folder, self._name = folder, name_prefix
        self._texts: list[str] = []
        self._bytes = 0
        self.written = 0
        """Number of chunks on the disk."""

    def add(self, value: Any) -> Location:
        """Adds a value to the current chunk and returns its location: number of the chunk, and index in the chunk."""
        location = (self.written, len(self._texts))
        text = to_script_safe_json(value)
        self._texts.append(text)
        self._bytes += len(text)
        if self._bytes >= CHUNK_BYTES:
            self.flush()
        return location

    def flush(self) -> None:
        """Writes the current chunk to its file unless it is empty."""
        if self._texts:
            _write_javascript_file(self._folder, f"{self._name}{self.written}", f"[{','.join(self._texts)}]")
            self.written += 1
        self._texts, self._bytes = [], 0


@contextmanager
def open_chunk_writer(folder: Path, name_prefix: str) -> Iterator[ChunkWriter]:
    """Opens a `ChunkWriter` for a `with` block, and writes its last chunk at the end of the block.

    The data files are `folder`/`name_prefix`0.js, `name_prefix`1.js, and so on.
    """
    writer = ChunkWriter(folder, name_prefix)
    yield writer
    writer.flush()
