"""The votes folder of an arena: pairs.jsonl and votes.jsonl, which are append-only, and models.json.

A row is on the disk (fsync) before the method that writes it returns. Several threads and processes may write to one
folder.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalharness.arena.records import AnswerPair, PairKey, Vote
from evalharness.arena.rows import pair_to_json, parse_pair, parse_vote, vote_to_json
from evalharness.errors import UserError
from evalharness.pipeline.store import disk_errors_as_user_errors, remove_incomplete_line
from evalharness.util.files import check_writable
from evalharness.util.jsonl import parse_json_line

PAIRS, VOTES = "pairs.jsonl", "votes.jsonl"
LOCK = ".lock"


class VoteStore:
    """Stores the pairs and votes of an arena in a folder. Thread-safe."""

    def __init__(self, folder: Path):
        """Opens or creates the votes folder. Raises UserError if it cannot be written or contains a damaged row."""
        check_writable(folder)
        self.folder = folder
        self._thread_lock = threading.RLock()
        self._read_to = {PAIRS: 0, VOTES: 0}
        self._lines = {PAIRS: 0, VOTES: 0}
        self._pairs: dict[str, AnswerPair] = {}
        self._votes: dict[str, Vote] = {}
        self._seen: dict[str, set[PairKey]] = {}
        self._open: dict[str, AnswerPair] = {}
        with disk_errors_as_user_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with self._lock_and_read_new_rows():
            pass

    def votes(self) -> list[Vote]:
        """Returns all votes in the order of writing, including those that other processes wrote."""
        with self._lock_and_read_new_rows():
            return list(self._votes.values())

    def pairs(self) -> list[AnswerPair]:
        """Returns all pairs of answers that were selected for a voter or have a vote, oldest first."""
        with self._thread_lock:
            return list(self._pairs.values())

    def find_pair(self, pair_id: str) -> AnswerPair | None:
        """Returns the pair of answers with this id; None if the store has no such pair."""
        with self._thread_lock:
            return self._pairs.get(pair_id)

    def pending_pair(self, voter: str) -> AnswerPair | None:
        """Returns the pair that a voter was shown last and has not voted on; None if there is no such pair."""
        with self._thread_lock:
            return self._open.get(voter)

    def seen_pairs(self, voter: str) -> set[PairKey]:
        """Returns the keys of all pairs that a voter was shown, with or without a vote."""
        with self._thread_lock:
            return set(self._seen.get(voter, ()))

    def add_pair(self, pair: AnswerPair) -> None:
        """Stores a pair of answers that was selected for a voter. Raises UserError if the disk cannot be written."""
        with self._lock_and_read_new_rows():
            self._append_row(PAIRS, pair_to_json(pair))
            self._add_pair_to_indexes(pair)

    def add_vote(self, vote: Vote) -> Vote:
        """Stores a vote unless its pair already has one, which is final; returns the vote that is stored for the pair.

        Raises UserError if the disk cannot be written; then the vote is not stored.
        """
        with self._lock_and_read_new_rows():
            if vote.pair.id not in self._votes:
                self._append_row(VOTES, vote_to_json(vote))
                self._add_vote_to_indexes(vote)
            return self._votes[vote.pair.id]

    def __contains__(self, pair_id: str) -> bool:
        """Returns whether the pair with this id has a vote."""
        with self._thread_lock:
            return pair_id in self._votes

    def __len__(self) -> int:
        """Returns the number of votes, skipped pairs included."""
        with self._thread_lock:
            return len(self._votes)

    @contextmanager
    def _lock_and_read_new_rows(self) -> Iterator[None]:
        """Locks the votes folder against other threads and processes, and reads the rows that these appended to it."""
        with (
            self._thread_lock,
            disk_errors_as_user_errors(self.folder),
            (self.folder / LOCK).open("w") as lock,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name in (PAIRS, VOTES):
                remove_incomplete_line(self.folder / name)  # of a process that was killed while it wrote
                self._read_new_rows(name)
            yield

    def _read_new_rows(self, file_name: str) -> None:
        """Reads the rows that were appended to a file of the folder since the last call.

        Raises UserError for a damaged row.
        """
        path = self.folder / file_name
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read_to[file_name])
            for line in file:
                self._lines[file_name] += 1
                row = parse_json_line(path, self._lines[file_name], line)
                try:
                    if file_name == PAIRS:
                        self._add_pair_to_indexes(parse_pair(row))
                    else:
                        self._add_vote_to_indexes(parse_vote(row))
                except (ValueError, AttributeError) as error:
                    raise UserError(
                        f"{path}, line {self._lines[file_name]} is not a valid vote or pair: {error}; fix or remove "
                        "the line"
                    ) from None
            self._read_to[file_name] = file.tell()

    def _append_row(self, file_name: str, row: Mapping[str, Any]) -> None:
        """Appends a JSON row to a file of the folder and flushes it to the disk. Removes the row if that fails."""
        line = json.dumps(row, ensure_ascii=True).encode() + b"\n"
        with (self.folder / file_name).open("ab", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                remaining = memoryview(line)
                while remaining:
                    remaining = remaining[file.write(remaining) :]
                os.fsync(file.fileno())
                if size == 0:
                    self._flush_folder_to_disk()
            except OSError:
                file.truncate(size)
                raise
        self._read_to[file_name] += len(line)
        self._lines[file_name] += 1

    def _flush_folder_to_disk(self) -> None:
        """Flushes the folder's list of files to the disk, so that a new file is found after a crash."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _add_pair_to_indexes(self, pair: AnswerPair) -> None:
        self._pairs[pair.id] = pair
        self._seen.setdefault(pair.voter, set()).add(pair.key)
        if pair.id not in self._votes:
            self._open[pair.voter] = pair

    def _add_vote_to_indexes(self, vote: Vote) -> None:
        pair = vote.pair
        self._votes.setdefault(pair.id, vote)
        self._pairs.setdefault(pair.id, pair)
        self._seen.setdefault(pair.voter, set()).add(pair.key)
        if (waiting := self._open.get(pair.voter)) and waiting.id == pair.id:
            del self._open[pair.voter]
