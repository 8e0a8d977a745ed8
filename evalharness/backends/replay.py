"""Completions from a samples file: `grade`, and `run --backend replay --option samples=FILE`."""

import contextlib
import gzip
import hashlib
import json
import shutil
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import BaseModel, ConfigDict

from evalharness.backends import BackendConfig, parse_options
from evalharness.errors import UserError
from evalharness.pipeline.store import read_manifest
from evalharness.records import Completion, Key, Problem, Prompt, Request, Sampling
from evalharness.util.key_set import KeySet

Form = Literal["program", "solution", "completion", "answer"]
FORMS: tuple[Form, ...] = ("program", "solution", "completion")
"""What a line may give by name; of a program and another the first that its problem accepts counts."""
WRITTEN: tuple[Form, ...] = (*FORMS, "answer")
"""The `form` that a row of a run's completions may say its `text` to be of."""


@dataclass(frozen=True)
class Sample:
    """One line of a samples file."""

    line: int
    task_id: str
    sample_id: int
    texts: Mapping[Form, str]

    @property
    def key(self) -> Key:
        return (self.task_id, self.sample_id)

    def form(self, problem: Problem) -> Form | None:
        """Which of its texts counts; None if it has but a program, where the problem accepts none."""
        return next((form for form in self.texts if form != "program" or problem.accepts_programs), None)

    def completion(self, problem: Problem) -> Completion:
        """The sample as a completion of its problem."""
        form = self.form(problem) or "solution"
        text = self.texts[form]
        return Completion(problem.task_id, self.sample_id, text, form=form, characters=len(text))


def read_samples(path: Path) -> list[Sample]:
    """The samples of a .jsonl or .jsonl.gz file, in its order.

    A line has `task_id`, a solution or completion, or a program, or `text` and `form` as a run writes them, and may
    have `sample_id`; where it is missing the samples of a problem are numbered in the order of the file. Raises
    UserError, naming the line, for anything else.
    """
    with contextlib.closing(open_samples(path)) as file:
        return [sample for _, sample in _scan(path, file)]


def open_samples(path: Path) -> IO[bytes]:
    """The file's lines as they are, to be read in any order. Raises UserError where it cannot be read."""
    try:
        if path.suffix != ".gz":
            return path.open("rb")
        file = tempfile.TemporaryFile()  # noqa: SIM115
        with gzip.open(path, "rb") as packed:
            shutil.copyfileobj(packed, file)
        return file
    except FileNotFoundError:
        raise UserError(f"samples file {path} does not exist; name one that does") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"samples file {path} cannot be read: {error}") from None


def _scan(path: Path, file: IO[bytes]) -> Iterator[tuple[int, Sample]]:
    """Each sample of the file, and where its line begins. Raises UserError as `read_samples`."""
    seen = KeySet()
    counts: dict[str, int] = {}
    offset = 0
    file.seek(0)
    for number, line in enumerate(file, start=1):
        if line.strip():
            if not seen and line.lstrip().startswith(b"["):
                raise UserError(f"{path} is a JSON array; write one object per line")
            sample = parse_sample(f"{path}, line {number}", number, _parse(path, number, line.strip()), counts)
            if not seen.add(sample.key):
                first = next(earlier.line for _, earlier in _scan(path, file) if earlier.key == sample.key)
                raise UserError(
                    f"{path}, line {number}: task_id {sample.task_id!r} with sample_id {sample.sample_id} stands in "
                    f"line {first} already; number the samples of a problem apart"
                )
            yield offset, sample
        offset += len(line)
    if not seen:
        raise UserError(f"{path} holds no samples; it needs one JSON object per line")


def _parse(path: Path, number: int, line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        what = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"{path}, line {number}: not JSON ({what}); mend the line or remove it") from None


def parse_sample(where: str, number: int, row: Any, counts: dict[str, int]) -> Sample:
    """One sample from its JSON value. `counts` numbers the samples of a problem that have no number of their own.

    Raises UserError, which begins with `where`, for anything else.
    """
    if not isinstance(row, dict) or not isinstance(row.get("task_id"), str | int):
        raise UserError(f"{where}: no task_id; every line is an object with task_id and solution or completion")
    task_id = sys.intern(str(row["task_id"]))
    texts = _texts(where, row)
    sample_id = row.get("sample_id", counts.get(task_id, 0))
    if not isinstance(sample_id, int) or isinstance(sample_id, bool) or sample_id < 0:
        raise UserError(f"{where}: sample_id {sample_id!r} is not a number from 0 on")
    counts[task_id] = counts.get(task_id, 0) + 1
    return Sample(number, task_id, sample_id, texts)


def _texts(where: str, row: Mapping[str, Any]) -> dict[Form, str]:
    """What a line gives, by form."""
    texts: dict[Form, str] = {form: row[form] for form in FORMS if isinstance(row.get(form), str)}
    if "solution" in texts and "completion" in texts:
        raise UserError(f"{where}: both a solution and a completion; leave one of them out")
    if texts:
        return texts
    if not isinstance(row.get("text"), str) or row.get("form") not in WRITTEN:
        raise UserError(f"{where}: neither solution nor completion is a text; give one of them")
    if row.get("error"):
        raise UserError(
            f"{where}: the backend failed, so there is nothing to grade; make the sample, or remove the line"
        )
    return {row["form"]: row["text"]}


def check_sample(where: str, sample: Sample, known: Mapping[str, Problem]) -> None:
    """Raises UserError, which begins with `where`, for a sample that no problem of `known` accepts."""
    if sample.task_id not in known:
        raise UserError(
            f"{where}: task_id {sample.task_id!r} is none of this task's "
            f"({', '.join(list(known)[:2])}, ...); check --task and its version and split options"
        )
    if sample.form(known[sample.task_id]) is None:
        raise UserError(f"{where}: this task wants a solution or completion, not a program")


class ReplayBackend:
    """Backend `replay`. A request without a sample in the file is a UserError."""

    name = "replay"

    class Options(BaseModel):
        """`samples`: the samples file."""

        model_config = ConfigDict(extra="forbid")
        samples: Path | None = None

    def __init__(self, config: BackendConfig):
        options = parse_options(self.Options, self.name, config.options)
        if options.samples is None:
            raise UserError("backend replay needs --option samples=FILE, a .jsonl or .jsonl.gz file")
        self.path = options.samples
        self._file, self._reading = open_samples(self.path), threading.Lock()
        self._places: dict[Key, tuple[int, int]] = {}  # line and offset: the texts may be gigabytes
        digest = hashlib.sha256()
        for offset, sample in _scan(self.path, self._file):
            self._places[sample.key] = (sample.line, offset)
            digest.update(json.dumps([sample.task_id, sample.sample_id, dict(sample.texts)]).encode())
        self._sha256 = digest.hexdigest()

    def recipe(self) -> str | None:
        """The recipe that its answers are of, where the file is a run's own; None for any other file."""
        if self.path.name != "completions.jsonl" or not (self.path.parent / "manifest.json").exists():
            return None
        return str(read_manifest(self.path.parent)["config"]["task"]["recipe"]["name"])

    def samples(self) -> Iterator[Sample]:
        """All samples, in the file's order."""
        return map(self._sample, self._places)

    def _sample(self, key: Key) -> Sample:
        line, offset = self._places[key]
        with self._reading:
            self._file.seek(offset)
            row = _parse(self.path, line, self._file.readline().strip())
        return parse_sample(f"{self.path}, line {line}", line, {**row, "sample_id": key[1]}, {})

    def requests(self, known: Mapping[str, Problem]) -> list[Key]:
        """The keys of all samples, in the file's order. Raises UserError for one that no problem of `known` accepts."""
        for sample in self.samples():
            check_sample(f"{self.path}, line {sample.line}", sample, known)
        return list(self._places)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """The samples as they stand in the file."""
        for request in requests:
            if request.key not in self._places:
                raise UserError(f"{self.path} has no sample {request.sample_id} of {request.key[0]}")
            yield self._sample(request.key).completion(request.problem)

    def accept(self, prompt: Prompt) -> None:
        """Takes any: no model is asked."""

    def describe(self) -> Mapping[str, Any]:
        """The samples' content by its sha256, whatever the file is called."""
        return {"generates": False, "samples": len(self._places), "sha256": self._sha256}

    def close(self) -> None:
        """Closes the file. Safe to call twice."""
        self._file.close()
