"""The run directory: manifest.json, completions.jsonl and verdicts.jsonl, which only grow, and summary.json.

A row is written before the next stage sees it, so a run that is killed at any moment goes on where it stopped.
"""

import contextlib
import errno
import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any, TypeVar

from evalharness.errors import UserError
from evalharness.records import Completion, Key, Trace, Verdict
from evalharness.util.key_set import KeySet

SYNC_S = 1.0
"""Rows reach the disk at least this often; a crash of the machine itself may lose what is younger."""
BLOCK = 1 << 16
"""Bytes read at a time from the end of a file."""

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
        except BlockingIOError:
            self._lock_file.close()
            raise UserError(f"another evalharness process is working in {folder}; wait, or use another --out") from None
        except OSError as error:
            self._lock_file.close()
            raise UserError(f"{folder} cannot be locked ({error.strerror}); use another --out") from None
        self._lock = threading.Lock()
        self._files: dict[str, IO[bytes]] = {}
        self._failure: UserError | None = None
        try:
            self.resumed = is_same_run(folder, config)
            if not self.resumed:
                write_json(folder / "manifest.json", {"config": config, "environment": environment})
            with explained(folder):
                self._clean()
            self.completed = KeySet(row.key for row in self.completions())
            self.judged = KeySet(row.key for row in self.verdicts())
        except BaseException:
            self.close()
            raise

    def _clean(self) -> None:
        """Cuts off a torn last line, and takes out verdicts that only tell of a failed machine, to try them again."""
        for name in ("completions.jsonl", "verdicts.jsonl"):
            cut_torn_line(self.folder / name)
        if any(row.status == "infrastructure" for row in self.verdicts()):
            temporary = self.folder / "verdicts.jsonl.new"
            with temporary.open("wb") as file:
                file.writelines(_line(row) for row in self.verdicts() if row.status != "infrastructure")
                _to_disk(file)
            temporary.replace(self.folder / "verdicts.jsonl")

    def manifest(self) -> dict[str, Any]:
        """What the run was begun with: `config` and `environment`."""
        return read_manifest(self.folder)

    def completions(self) -> Iterator[Completion]:
        """The completions written so far, in the order of writing."""
        return read_completions(self.folder)

    def verdicts(self) -> Iterator[Verdict]:
        """The verdicts written so far, in the order of writing."""
        return read_verdicts(self.folder)

    def add_completion(self, completion: Completion) -> None:
        """Writes a completion, once."""
        if self._is_new(completion.key, self.completed):
            self._append("completions.jsonl", completion)

    def add_verdict(self, verdict: Verdict) -> None:
        """Writes a verdict, once."""
        if self._is_new(verdict.key, self.judged):
            self._append("verdicts.jsonl", verdict)

    def _is_new(self, key: Key, keys: KeySet) -> bool:
        with self._lock:
            return keys.add(key)

    def _append(self, name: str, row: Completion | Verdict) -> None:
        line = _line(row)
        with self._lock:
            if self._failure:
                raise self._failure
            try:
                with explained(self.folder / name):
                    file = self._files.get(name)
                    if file is None:
                        file = self._files[name] = (self.folder / name).open("ab", buffering=0)
                        self._synced_at = time.monotonic()
                    self._write(file, line)
                    if time.monotonic() - self._synced_at > SYNC_S:
                        self._sync()
            except UserError as error:
                self._failure = error
                raise

    def _write(self, file: IO[bytes], line: bytes) -> None:
        """Writes the whole line or, as far as the disk lets it, nothing; the next start cuts the rest off."""
        size = os.fstat(file.fileno()).st_size
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise

    def _sync(self) -> None:
        """Brings the rows to the disk, and makes sure that they still have their names there."""
        for name, file in self._files.items():
            os.fsync(file.fileno())
            if not os.path.samestat(os.stat(self.folder / name), os.fstat(file.fileno())):
                raise FileNotFoundError(errno.ENOENT, "another file stands in its place", str(self.folder / name))
        self._synced_at = time.monotonic()

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Writes summary.json."""
        write_json(self.folder / "summary.json", summary)

    def close(self) -> None:
        """Brings everything to the disk and lets the directory go. Safe to call twice.

        Raises UserError where the disk fails, unless that was said when a row was written.
        """
        with self._lock:
            try:
                with explained(self.folder):
                    self._sync()
            except UserError:
                if not self._failure:
                    raise
            finally:
                for file in self._files.values():
                    file.close()
                self._files.clear()
                self._lock_file.close()


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a run was begun with: `config` and `environment`. Raises UserError where it cannot be read."""
    try:
        found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        return {"config": found["config"], "environment": found["environment"]}
    except (ValueError, KeyError, TypeError, OSError):
        raise UserError(f"{folder / 'manifest.json'} cannot be read; is {folder} a run directory?") from None


def read_completions(folder: Path) -> Iterator[Completion]:
    """The completions of a run directory, in the order of writing."""
    return read_rows(folder / "completions.jsonl", Completion)


def read_verdicts(folder: Path) -> Iterator[Verdict]:
    """The verdicts of a run directory, in the order of writing."""
    return read_rows(folder / "verdicts.jsonl", Verdict)


def read_rows(path: Path, kind: type[Row]) -> Iterator[Row]:
    """The rows of a file of completions or verdicts; none where there is no file. Unknown fields are passed over.

    Raises UserError at a damaged line.
    """
    known = {field.name for field in fields(kind)}
    for number, line in whole_lines(path):
        try:
            row = json.loads(line)
            yield kind(**{key: _value(key, value) for key, value in row.items() if key in known})
        except (ValueError, TypeError, AttributeError):
            raise UserError(f"{path}, line {number} is damaged; mend it or remove the line") from None


def whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, from 1; none where there is no file.

    A last line without its end is passed over: it is being written now, or its writer was killed.
    """
    if path.exists():
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield number, line


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
    """A field as the record has it. There are many rows of a task_id, but one text of it."""
    if key == "task_id":
        return sys.intern(value)
    return Trace(**{name: tuple(items) for name, items in value.items()}) if key == "trace" else value


def plain_row(row: Completion | Verdict) -> dict[str, Any]:
    """A row as a JSON object, without what is not known."""
    found = {each.name: value for each in fields(row) if (value := getattr(row, each.name)) is not None}
    return {**found, "trace": asdict(found["trace"])} if "trace" in found else found


def _line(row: Completion | Verdict) -> bytes:
    """A row as one line of JSON."""
    return json.dumps(plain_row(row), ensure_ascii=True).encode() + b"\n"


def write_json(path: Path, value: Any) -> None:
    """Writes the whole file or nothing of it. Raises UserError where the disk does not take it."""
    temporary = path.with_name(path.name + ".new")
    with explained(path.parent):
        try:
            with temporary.open("wb") as file:
                file.write(json.dumps(value, indent=2, default=str).encode() + b"\n")
                _to_disk(file)
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def cut_torn_line(path: Path) -> None:
    """Cuts off what follows the last line break of a file, if there is the file."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = size = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - BLOCK)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                end = begin + found + 1
                break
            end = begin
        if end < size:
            file.truncate(end)


@contextlib.contextmanager
def explained(place: Path) -> Iterator[None]:
    """Raises UserError for what the disk does not take: one line that says what to do."""
    try:
        yield
    except OSError as error:
        todo = "mend that" if error.errno != errno.ENOSPC else "make room"
        raise UserError(f"cannot write to {place}: {error.strerror}; {todo}, and the same command goes on") from None


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


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
