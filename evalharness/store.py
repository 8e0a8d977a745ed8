"""The run directory: manifest.json, completions.jsonl and verdicts.jsonl, which only grow, and summary.json.

A row is written before the next stage sees it, so a run that is killed at any moment goes on where it stopped.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any, TypeVar

from evalharness.errors import UserError
from evalharness.records import Completion, Key, Trace, Verdict

SYNC_S = 1.0
"""Rows reach the disk at least this often; a crash of the machine itself may lose what is younger."""

Row = TypeVar("Row", Completion, Verdict)


class Store:
    """One run directory, held by this process alone. Rows may be added from any thread."""

    def __init__(self, folder: Path, config: Mapping[str, Any], environment: Mapping[str, Any]):
        """Opens or creates the directory.

        Raises UserError where another process holds it, or where it belongs to a run with another configuration.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock_file = (folder / ".lock").open("w")
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror}; choose another folder with --out") from None
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock_file.close()
            raise UserError(f"another evalharness process is working in {folder}; wait, or use another --out") from None
        self._lock = threading.Lock()
        self._files: dict[str, IO[bytes]] = {}
        try:
            self.resumed = is_same_run(folder, config)
            if not self.resumed:
                write_json(folder / "manifest.json", {"config": config, "environment": environment})
            self._clean()
            self.completed = {row.key for row in self.completions()}
            self.judged = {row.key for row in self.verdicts()}
        except BaseException:
            self.close()
            raise

    def _clean(self) -> None:
        """Cuts off a torn last line, and takes out verdicts that only tell of a failed machine, to try them again."""
        for name in ("completions.jsonl", "verdicts.jsonl"):
            path = self.folder / name
            if path.exists():
                data = path.read_bytes()
                if not data.endswith(b"\n") and data:
                    with path.open("r+b") as file:
                        file.truncate(data.rfind(b"\n") + 1)
        kept = [row for row in self.verdicts() if row.status != "infrastructure"]
        if len(kept) != sum(1 for _ in self.verdicts()):
            temporary = self.folder / "verdicts.jsonl.new"
            temporary.write_bytes(b"".join(_line(row) for row in kept))
            temporary.replace(self.folder / "verdicts.jsonl")

    def manifest(self) -> dict[str, Any]:
        """What the run was begun with: `config` and `environment`."""
        found: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        return found

    def completions(self) -> Iterator[Completion]:
        """The completions written so far, in the order of writing."""
        return read_rows(self.folder / "completions.jsonl", Completion)

    def verdicts(self) -> Iterator[Verdict]:
        """The verdicts written so far, in the order of writing."""
        return read_rows(self.folder / "verdicts.jsonl", Verdict)

    def add_completion(self, completion: Completion) -> None:
        """Writes a completion, once."""
        if self._is_new(completion.key, self.completed):
            self._append("completions.jsonl", completion)

    def add_verdict(self, verdict: Verdict) -> None:
        """Writes a verdict, once."""
        if self._is_new(verdict.key, self.judged):
            self._append("verdicts.jsonl", verdict)

    def _is_new(self, key: Key, keys: set[Key]) -> bool:
        with self._lock:
            new = key not in keys
            keys.add(key)
            return new

    def _append(self, name: str, row: Completion | Verdict) -> None:
        line = _line(row)
        with self._lock:
            file = self._files.get(name)
            if file is None:
                file = self._files[name] = (self.folder / name).open("ab", buffering=0)
                self._synced_at = time.monotonic()
            self._write(file, line)
            if time.monotonic() - self._synced_at > SYNC_S:
                self._sync()

    def _write(self, file: IO[bytes], line: bytes) -> None:
        """Writes the whole line or nothing. Raises UserError where the disk does not take it."""
        size = os.fstat(file.fileno()).st_size
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            file.truncate(size)
            raise UserError(
                f"cannot write to {file.name}: {error.strerror}; make room, and the same command goes on"
            ) from None

    def _sync(self) -> None:
        for file in self._files.values():
            os.fsync(file.fileno())
        self._synced_at = time.monotonic()

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Writes summary.json."""
        write_json(self.folder / "summary.json", summary)

    def close(self) -> None:
        """Brings everything to the disk and lets the directory go. Safe to call twice."""
        with self._lock:
            self._sync()
            for file in self._files.values():
                file.close()
            self._files.clear()
            self._lock_file.close()


def read_rows(path: Path, kind: type[Row]) -> Iterator[Row]:
    """The rows of a file of completions or verdicts; none where there is no file. Unknown fields are passed over.

    Raises UserError at a damaged line.
    """
    known = {field.name for field in fields(kind)}
    if path.exists():
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    row = json.loads(line)
                    yield kind(**{key: _value(key, value) for key, value in row.items() if key in known})
                except (ValueError, TypeError, AttributeError):
                    raise UserError(f"{path}, line {number} is damaged; mend it or remove the line") from None


def append_rows(path: Path, rows: Iterable[Completion]) -> None:
    """Writes rows to the end of a file, for what is no run."""
    with path.open("ab") as file:
        file.writelines(_line(row) for row in rows)


def is_same_run(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the directory holds a run with this configuration; False if it holds none.

    Raises UserError if it holds another, naming the first difference.
    """
    path = folder / "manifest.json"
    if not path.exists():
        if (folder / "completions.jsonl").exists():
            raise UserError(f"{folder} holds completions, but no manifest.json; use another --out")
        return False
    try:
        found = json.loads(path.read_text())["config"]
    except (ValueError, KeyError, TypeError, OSError):
        raise UserError(f"{path} cannot be read; use another --out") from None
    different = next(differences(found, json.loads(json.dumps(config))), None)
    if different:
        place, old, new = different
        raise UserError(
            f"{folder} holds a run with another configuration: {place} was {old}, now {new}; "
            "use another --out, or the old settings"
        )
    return True


def _value(key: str, value: Any) -> Any:
    """A field as the record has it."""
    return Trace(**{name: tuple(items) for name, items in value.items()}) if key == "trace" else value


def _line(row: Completion | Verdict) -> bytes:
    """A row as one line of JSON, without what is not known."""
    kept = {key: value for key, value in asdict(row).items() if value is not None}
    return json.dumps(kept, ensure_ascii=True).encode() + b"\n"


def write_json(path: Path, value: Any) -> None:
    """Writes the whole file or nothing of it."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(value, indent=2, default=str) + "\n")
    temporary.replace(path)


def differences(old: Any, new: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two plain values differ: the place, and both values in short."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from differences(old.get(key), new.get(key), f"{place}.{key}" if place else str(key))
    elif old != new:
        yield place, _short(old), _short(new)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
