"""The backend `replay`: completions from a samples file, for `grade` and `--option samples=FILE`."""

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, Field

from evalharness.backends.factory import BackendConfig
from evalharness.backends.options import BackendOptions, parse_options
from evalharness.backends.samples_file import (
    Sample,
    check_sample_fits_task,
    parse_sample,
    scan_samples_with_offsets,
)
from evalharness.backends.samples_formats import PROBLEM_INDEX_PREFIX, open_samples
from evalharness.data.run_files import COMPLETIONS, MANIFEST, read_manifest
from evalharness.errors import UserError
from evalharness.records import Completion, Key, Problem, Prompt, Request, Sampling
from evalharness.util.jsonl import parse_json_line


class ReplayOptions(BackendOptions):
    """The `--option key=value` settings of the backend `replay`, which reads completions from a file."""

    samples: Path | None = Field(None, description="The samples file, .jsonl or .jsonl.gz; required")


class _SamplePosition(NamedTuple):
    """The position of a sample in a samples file: its line number, counted from 1, and the line's byte offset."""

    line: int
    offset: int


class ReplayBackend:
    """The backend `replay`: returns the samples of a samples file as completions.

    A samples file may be gigabytes large, so each sample is read from the file when it is needed.
    """

    name = "replay"
    Options: ClassVar[type[BaseModel]] = ReplayOptions

    def __init__(self, config: BackendConfig) -> None:
        """Reads the whole samples file once. Raises UserError if it is missing or has an invalid line."""
        options = parse_options(ReplayOptions, self.name, config.options)
        if options.samples is None:
            raise UserError("backend replay needs a samples file; give one with --option samples=FILE")
        self.path = options.samples
        self._file, self._file_lock = open_samples(self.path), threading.Lock()
        self._positions: dict[Key, _SamplePosition] = {}
        digest = hashlib.sha256()
        for offset, sample in scan_samples_with_offsets(self.path, self._file):
            self._positions[sample.key] = _SamplePosition(sample.line, offset)
            digest.update(json.dumps([sample.task_id, sample.sample_id, dict(sample.texts)]).encode())
        self._sha256 = digest.hexdigest()

    def recipe_name(self) -> str | None:
        """Returns the name of the recipe (prompt format) with which the samples were generated, or None.

        It is known only if the file is a run's `completions.jsonl`.
        """
        if self.path.name != COMPLETIONS or not (self.path.parent / MANIFEST).exists():
            return None
        return str(read_manifest(self.path.parent)["config"]["task"]["recipe"]["name"])

    def samples(self) -> Iterator[Sample]:
        """Yields all samples in the order of the file."""
        return map(self._read_sample, self._positions)

    def _read_sample(self, key: Key) -> Sample:
        line, offset = self._positions[key]
        with self._file_lock:
            self._file.seek(offset)
            row = parse_json_line(self.path, line, self._file.readline().strip())
        return parse_sample(f"{self.path}, line {line}", line, {**row, "task_id": key[0], "sample_id": key[1]}, {})

    def resolve_sample_keys(self, problems: Mapping[str, Problem]) -> list[Key]:
        """Returns the (task_id, sample_id) of each sample, in the order of the file.

        `problems` has the task's problems by task_id. If the file identifies problems by their index in the task, each
        index is replaced by the problem's task_id. Raises UserError for a sample that does not fit the task (see
        `check_sample_fits_task`).
        """
        self._replace_problem_indices(list(problems))
        for sample in self.samples():
            check_sample_fits_task(f"{self.path}, line {sample.line}", sample, problems)
        return list(self._positions)

    def _replace_problem_indices(self, task_ids: Sequence[str]) -> None:
        """Replaces each problem index in the samples' keys by the task_id at that index in `task_ids`.

        Raises UserError if the file has more problems than the task.
        """
        named: dict[Key, _SamplePosition] = {}
        for (task_id, sample_id), position in self._positions.items():
            number = int(task_id.removeprefix(PROBLEM_INDEX_PREFIX)) if task_id.startswith(PROBLEM_INDEX_PREFIX) else -1
            if number >= len(task_ids):
                raise UserError(
                    f"{self.path} has generations for more problems than the {len(task_ids)} of this task; check "
                    "--task, --option version and --option split"
                )
            named[task_ids[number] if number >= 0 else task_id, sample_id] = position
        self._positions = named

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields the sample in the file for each request. Raises UserError for a request without a sample."""
        for request in requests:
            if request.key not in self._positions:
                raise UserError(
                    f"{self.path} has no sample with task_id {request.key[0]} and sample_id {request.sample_id}; add "
                    "it, or select fewer problems or samples"
                )
            yield self._read_sample(request.key).to_completion(request.problem)

    def check_prompt(self, prompt: Prompt) -> None:
        """Accepts every prompt, since no prompt is sent to a model."""

    def describe(self) -> Mapping[str, Any]:
        """Returns the number of samples and a digest of their content, for the run's manifest."""
        return {"generates": False, "samples": len(self._positions), "sha256": self._sha256}

    def close(self) -> None:
        """Closes the samples file. Safe to call twice."""
        self._file.close()
