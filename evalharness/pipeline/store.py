"""Writes a run directory: manifest.json, completions.jsonl and verdicts.jsonl, which only grow, and summary.json.

A completion or verdict is written before the next stage sees it, so a run that is killed at any moment resumes where it
stopped. `data.run_files` reads the directory.
"""

import contextlib
import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from itertools import compress
from pathlib import Path
from typing import IO, Any

from evalharness.data.run_files import (
    COMPLETIONS,
    MANIFEST,
    SUMMARY,
    VERDICTS,
    read_completions,
    read_verdicts,
)
from evalharness.data.run_types import Environment, Manifest, ManifestConfiguration, RunStretch, Summary
from evalharness.errors import UserError
from evalharness.pipeline.resuming.folders import delete_results
from evalharness.pipeline.resuming.same_run import read_resumable_manifest
from evalharness.pipeline.resuming.stretches import begin_run_stretch, list_run_stretches
from evalharness.pipeline.unanswered import is_unanswered
from evalharness.records import Completion, Key, Verdict
from evalharness.util.files import open_for_atomic_write, write_atomically
from evalharness.util.sample_key_set import SampleKeySet

SYNC_INTERVAL_S = 1.0
"""Seconds between fsyncs of the .jsonl files; if the machine itself crashes, later lines may be lost."""
BLOCK_BYTES = 1 << 16
"""Bytes read at a time from the end of a file."""


class RunStore:
    """A run directory that this process has locked and writes to. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        config: ManifestConfiguration,
        environment: Environment,
        *,
        overwrite: bool = False,
        ask_again: bool = False,
    ):
        """Opens or creates the run directory; with `overwrite`, deletes the run that it holds.

        With `ask_again`, deletes the rows of prompts that were refused, or given up without an answer.
        Raises UserError where another process has locked it, or where it belongs to a run with another configuration.
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
            raise UserError(
                f"another evalharness process is writing to {folder}; wait for it, or choose another folder with --out"
            ) from None
        except OSError as error:
            self._lock_file.close()
            raise UserError(f"cannot lock {folder}: {error.strerror}; choose another folder with --out") from None
        self._lock = threading.Lock()
        self._files: dict[str, IO[bytes]] = {}
        self._failure: UserError | None = None
        try:
            self._config, self._environment = config, environment
            saved = None if overwrite else read_resumable_manifest(folder, config)
            self.resumed = saved is not None
            if saved is not None:
                self._manifest: Manifest = saved
            else:
                delete_results(folder)
                stretch = begin_run_stretch(config, environment, 0)
                self._write_manifest([stretch], environment)
            with disk_errors_as_user_errors(folder):
                self.graded_keys, self.completed_keys = self._remove_unusable_rows(ask_again)
        except BaseException:
            self.close()
            raise

    def _remove_unusable_rows(self, ask_again: bool) -> tuple[SampleKeySet, SampleKeySet]:
        """Removes the rows that are to be written again; returns the keys of the remaining verdicts and completions.

        These rows are incomplete last lines, verdicts of status "infrastructure" and, with `ask_again`, the completions
        and verdicts of prompts without an answer.
        """
        for name in (COMPLETIONS, VERDICTS):
            remove_incomplete_line(self.folder / name)
        unanswered = SampleKeySet(row.key for row in self.completions() if is_unanswered(row)) if ask_again else ()
        remaining = {VERDICTS: SampleKeySet(), COMPLETIONS: SampleKeySet()}
        for name, keys in remaining.items():  # The verdicts first: one without its completion would stay.
            usable = []
            for row in self._rows(name):
                usable.append(row.key not in unanswered and getattr(row, "status", "") != "infrastructure")
                if usable[-1]:
                    keys.add(row.key)
            if not all(usable):
                with open_for_atomic_write(self.folder / name) as file:
                    file.writelines(map(_to_json_line, compress(self._rows(name), usable)))
        return remaining[VERDICTS], remaining[COMPLETIONS]

    def _rows(self, file_name: str) -> Iterator[Completion | Verdict]:
        return self.completions() if file_name == COMPLETIONS else self.verdicts()

    def check_stored_samples_are_requested(self, requested_keys: Collection[Key]) -> None:
        """Raises UserError if the directory has a completion or verdict of a sample that is not in `requested_keys`."""
        for name, keys in ((COMPLETIONS, self.completed_keys), (VERDICTS, self.graded_keys)):
            for task_id, sample_id in keys:
                if (task_id, sample_id) not in requested_keys:
                    raise UserError(
                        f"{self.folder / name} has a line for sample {sample_id} of problem {task_id!r}, which is not "
                        "in the run; remove the line"
                    )

    def record_resumption(self, requested_keys: Collection[Key]) -> None:
        """Records in the manifest that this process resumes the run, unless all requested samples are graded.

        Also deletes the summary, which is then out of date.
        """
        stretches = list_run_stretches(self._manifest)
        if self.resumed and any(key not in self.graded_keys for key in requested_keys):
            stretches.append(begin_run_stretch(self._config, self._environment, len(self.completed_keys)))
            (self.folder / SUMMARY).unlink(missing_ok=True)
        elif self._manifest["config"].get("samples") == self._config.get("samples"):
            return
        self._write_manifest(stretches, self._manifest["environment"])

    def record_adjusted_options(self, adjusted_options: Mapping[str, str]) -> None:
        """Records in the manifest the options whose values the backend changed because the endpoint refused them."""
        *earlier, latest = list_run_stretches(self._manifest)
        if adjusted_options and latest.get("adjusted") != adjusted_options:
            adjusted: RunStretch = {**latest, "adjusted": dict(adjusted_options)}
            self._write_manifest([*earlier, adjusted], self._manifest["environment"])

    def _write_manifest(self, stretches: list[RunStretch], environment: Environment) -> None:
        self._manifest = {"config": self._config, "environment": environment, "stretches": stretches}
        write_json(self.folder / MANIFEST, self._manifest)

    def completions(self) -> Iterator[Completion]:
        """Yields the completions in the run directory, in the order in which they were written."""
        return read_completions(self.folder)

    def verdicts(self) -> Iterator[Verdict]:
        """Yields the verdicts in the run directory, in the order in which they were written."""
        return read_verdicts(self.folder)

    def add_completion(self, completion: Completion) -> None:
        """Writes a completion, unless its sample already has one. Raises UserError if writing fails."""
        self._append_row_if_new(COMPLETIONS, completion, self.completed_keys)

    def add_verdict(self, verdict: Verdict) -> None:
        """Writes a verdict, unless its sample already has one. Raises UserError if writing fails."""
        self._append_row_if_new(VERDICTS, verdict, self.graded_keys)

    def _append_row_if_new(self, file_name: str, row: Completion | Verdict, written_keys: SampleKeySet) -> None:
        line = _to_json_line(row)
        with self._lock:
            if row.key in written_keys:
                return
            if self._failure:
                raise self._failure
            try:
                with disk_errors_as_user_errors(self.folder / file_name):
                    file = self._files.get(file_name)
                    if file is None:
                        file = self._files[file_name] = (self.folder / file_name).open("ab", buffering=0)
                        self._synced_at = time.monotonic()
                    self._append_line(file, line)
                    if time.monotonic() - self._synced_at > SYNC_INTERVAL_S:
                        self._sync_to_disk()
            except UserError as error:
                self._failure = error
                raise
            written_keys.add(row.key)

    def _append_line(self, file: IO[bytes], line: bytes) -> None:
        """Appends a line to an open file; if writing fails, tries to remove the part that was written."""
        size = os.fstat(file.fileno()).st_size
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise

    def _sync_to_disk(self) -> None:
        """Flushes the .jsonl files to the disk (fsync), and checks that they were not deleted or replaced."""
        for name, file in self._files.items():
            os.fsync(file.fileno())
            if not os.path.samestat(os.stat(self.folder / name), os.fstat(file.fileno())):
                raise FileNotFoundError(
                    errno.ENOENT, f"{name} was replaced by another file during the run", str(self.folder / name)
                )
        self._synced_at = time.monotonic()

    def write_summary(self, summary: Summary) -> None:
        """Writes the run's summary.json."""
        write_json(self.folder / SUMMARY, summary)

    def close(self) -> None:
        """Flushes everything to the disk (fsync) and unlocks the run directory. Can be called repeatedly.

        Raises UserError if writing fails, unless an earlier call already raised it.
        """
        with self._lock:
            try:
                with disk_errors_as_user_errors(self.folder):
                    self._sync_to_disk()
            except UserError:
                if not self._failure:
                    raise
            finally:
                for file in self._files.values():
                    file.close()
                self._files.clear()
                self._lock_file.close()


def append_completions(path: Path, completions: Iterable[Completion]) -> None:
    """Appends completions to a .jsonl file outside a run directory, for `evalharness bench`."""
    with path.open("ab") as file:
        file.writelines(_to_json_line(row) for row in completions)


def row_to_json(row: Completion | Verdict) -> dict[str, Any]:
    """Returns a completion or verdict as a JSON object, without the fields that are None."""
    values = ((field.name, getattr(row, field.name)) for field in fields(row))
    return {name: _field_to_json(value) for name, value in values if value is not None}


def _field_to_json(field_value: Any) -> Any:
    if is_dataclass(field_value) and not isinstance(field_value, type):
        return asdict(field_value)
    return [_field_to_json(item) for item in field_value] if isinstance(field_value, tuple) else field_value


def _to_json_line(row: Completion | Verdict) -> bytes:
    return json.dumps(row_to_json(row), ensure_ascii=True).encode() + b"\n"


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file completely or not at all. Raises UserError if the file cannot be written."""
    with disk_errors_as_user_errors(path.parent):
        write_atomically(path, json.dumps(content, indent=2, default=str).encode() + b"\n")


def remove_incomplete_line(path: Path) -> None:
    """Removes the last line of a file if the line has no line break. Does nothing if the file does not exist."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = size = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK_BYTES)
            file.seek(start)
            position = file.read(end - start).rfind(b"\n")
            if position >= 0:
                end = start + position + 1
                break
            end = start
        if end < size:
            file.truncate(end)


@contextlib.contextmanager
def disk_errors_as_user_errors(path: Path) -> Iterator[None]:
    """Converts an OSError in the `with` block into a UserError that names `path` and says what to do."""
    try:
        yield
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "fix the cause"
        raise UserError(
            f"cannot write to {path}: {error.strerror}; {remedy}, then run the same command again"
        ) from None
