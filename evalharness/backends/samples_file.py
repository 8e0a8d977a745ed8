"""Reads samples files: JSON Lines with one model sample per line, for `evalharness grade` and backend `replay`."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from evalharness.backends.samples_formats import open_samples
from evalharness.errors import UserError
from evalharness.records import Completion, Key, Problem
from evalharness.util.jsonl import parse_json_line
from evalharness.util.limits.files import read_bounded_lines
from evalharness.util.sample_key_set import SampleKeySet

Form = Literal["program", "solution", "completion", "answer"]
"""What a text is, which determines how a task makes a program of it (see `Completion.form`)."""
KEYS: tuple[Form, ...] = ("program", "solution", "completion", "answer")
"""The JSON keys under which a line may give its text. A line with `program` may have another one for other tasks."""
RUN_FORMS = KEYS
"""The values of `form` in a run's `completions.jsonl`, whose rows have the text under `text`."""

ENDING: Mapping[str, type] = {"finish_reason": str, "reasoning": str, "reasoning_tokens": int, "refusal": str}
"""Optional keys of a line that say how its generation ended, with their types; see `Completion`."""


@dataclass(frozen=True)
class Sample:
    """One line of a samples file: a model's answer to a problem."""

    line: int
    """Line number, counted from 1."""
    task_id: str
    sample_id: int
    texts: Mapping[Form, str]
    ending: Mapping[str, Any] = field(default_factory=lambda: {"finish_reason": "unknown"})
    """The values of the `ENDING` keys that the line has."""

    @property
    def key(self) -> Key:
        """The sample's (task_id, sample_id)."""
        return (self.task_id, self.sample_id)

    def choose_text_form(self, problem: Problem) -> Form | None:
        """Returns the form, such as "solution", of the one text of the sample that is used for the problem.

        The result is None if the sample has only a program and the problem does not accept programs.
        """
        return next((form for form in self.texts if form != "program" or problem.accepts_programs), None)

    def to_completion(self, problem: Problem) -> Completion:
        """Returns the sample as a completion of its problem."""
        form = self.choose_text_form(problem) or "solution"
        text = self.texts[form]
        return Completion(problem.task_id, self.sample_id, text, form=form, characters=len(text), **self.ending)


def read_samples(path: Path) -> list[Sample]:
    """Returns the samples in the order of the samples file; `open_samples` lists the accepted formats.

    A line must have `task_id`, and one of `solution`, `completion`, `answer` and `program`, or `text` with `form` as in
    a run's completions. It may have `sample_id`; without it, the samples of a problem are numbered in the order of the
    file. Raises UserError, with the line number, for an invalid line.
    """
    with contextlib.closing(open_samples(path)) as file:
        return [sample for _, sample in scan_samples_with_offsets(path, file)]


def scan_samples_with_offsets(path: Path, file: IO[bytes]) -> Iterator[tuple[int, Sample]]:
    """Yields (byte offset of the line, sample) for each line of an open samples file.

    Raises UserError, with the line number, for an invalid line or a repeated (task_id, sample_id).
    """
    keys = SampleKeySet()
    counts: dict[str, int] = {}
    offset = 0
    file.seek(0)
    for number, line in enumerate(read_bounded_lines(path, file), start=1):
        if line.strip():
            value = parse_json_line(path, number, line.strip())
            sample = parse_sample(f"{path}, line {number}", number, value, counts)
            if not keys.add(sample.key):
                first = next(
                    earlier.line for _, earlier in scan_samples_with_offsets(path, file) if earlier.key == sample.key
                )
                raise UserError(
                    f"{path}, line {number}: task_id {sample.task_id!r} with sample_id {sample.sample_id} is already "
                    f"in line {first}; give each sample of a problem its own sample_id"
                )
            yield offset, sample
        offset += len(line)
    if not keys:
        raise UserError(f"{path} contains no samples; write one JSON object per line")


def parse_sample(location: str, line_number: int, json_row: Any, samples_per_problem: dict[str, int]) -> Sample:
    """Returns the sample that line `line_number` of a samples file contains as the JSON value `json_row`.

    `samples_per_problem` has the number of samples so far by task_id, and is updated. A sample without `sample_id` gets
    this number. Raises UserError, whose message begins with `location` (file and line), for an invalid sample.
    """
    if not isinstance(json_row, dict) or not isinstance(json_row.get("task_id"), str | int):
        raise UserError(
            f"{location}: the sample has no task_id; "
            "every sample must be a JSON object with task_id and solution, completion or answer"
        )
    task_id = sys.intern(str(json_row["task_id"]))
    texts = _parse_texts_by_form(location, json_row)
    sample_id = json_row.get("sample_id", samples_per_problem.get(task_id, 0))
    if not isinstance(sample_id, int) or isinstance(sample_id, bool) or sample_id < 0:
        raise UserError(
            f"{location}: sample_id {sample_id!r} is not an integer of at least 0; correct it, or leave it out"
        )
    samples_per_problem[task_id] = samples_per_problem.get(task_id, 0) + 1
    ending = {key: json_row[key] for key, kind in ENDING.items() if isinstance(json_row.get(key), kind)}
    return Sample(line_number, task_id, sample_id, texts, {"finish_reason": "unknown", **ending})


def _parse_texts_by_form(location: str, row: Mapping[str, Any]) -> dict[Form, str]:
    """Returns the texts in a row of a samples file, by form: solution, completion, answer or program.

    Raises UserError, whose message begins with `location`, if the row has no text or several that exclude each other.
    """
    texts: dict[Form, str] = {key: row[key] for key in KEYS if isinstance(row.get(key), str)}
    if len(text_keys := [key for key in texts if key != "program"]) > 1:
        raise UserError(
            f"{location}: the sample has both a {text_keys[0]} and {_with_article(text_keys[1])}; give only one of them"
        )
    if texts:
        return texts
    if not isinstance(row.get("text"), str) or row.get("form") not in RUN_FORMS:
        raise UserError(f"{location}: the sample has no solution, completion or answer; give one of them")
    if row.get("error"):
        raise UserError(
            f"{location}: the sample has no text, because its generation failed; generate it again, or remove the line"
        )
    return {row["form"]: row["text"]}


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def check_sample_fits_task(location: str, sample: Sample, problems: Mapping[str, Problem]) -> None:
    """Raises UserError if a sample's problem is not in the task, or cannot use any of the sample's texts.

    `problems` has the task's problems by task_id. The message begins with `location`: the sample's file and line.
    """
    if sample.task_id not in problems:
        raise UserError(
            f"{location}: task_id {sample.task_id!r} is not in this task "
            f"({', '.join(list(problems)[:2])}, ...); check --task, --option version and --option split"
        )
    if sample.choose_text_form(problems[sample.task_id]) is None:
        raise UserError(
            f"{location}: the sample has only a program, which this task does not accept; give its solution or "
            "completion"
        )
