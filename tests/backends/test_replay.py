"""The backend `replay`, and the samples files that it reads."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from evalharness.backends import BackendConfig
from evalharness.backends.replay import ReplayBackend
from evalharness.backends.samples_file import Sample, read_samples
from evalharness.errors import UserError
from evalharness.pipeline.store import row_to_json
from evalharness.records import Completion, Problem, Prompt, Request, Sampling


def write_samples(path: Path, *rows: Any) -> Path:
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def backend(path: Path) -> ReplayBackend:
    return ReplayBackend(BackendConfig(options={"samples": str(path)}))


def make_problem(task_id: str) -> Problem:
    return Problem(task_id, Prompt(text=""), {}, "")


def generate(path: Path, *keys: tuple[str, int]) -> list[Completion]:
    requests = [Request(Problem(task_id, Prompt(text=""), {}, ""), sample_id) for task_id, sample_id in keys]
    return list(backend(path).generate(requests, Sampling()))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.txt"])
def test_samples_without_number_are_numbered_in_the_order_of_the_file(name: str, tmp_path: Path) -> None:
    path = write_samples(
        tmp_path / name,
        {"task_id": "a", "solution": "s", "official": {"passed": True}},
        "",
        {"task_id": 7, "completion": "ü"},
        {"task_id": "a", "solution": "t", "completion": None, "program": 3},
        {"task_id": "b", "sample_id": 5, "completion": ""},
    )
    assert read_samples(path) == [
        Sample(1, "a", 0, {"solution": "s"}),
        Sample(3, "7", 0, {"completion": "ü"}),
        Sample(4, "a", 1, {"solution": "t"}),
        Sample(5, "b", 5, {"completion": ""}),
    ]


def test_request_gets_its_sample_without_times(tmp_path: Path) -> None:
    path = write_samples(tmp_path / "a.jsonl", {"task_id": "a", "solution": "s"}, {"task_id": "b", "completion": "cc"})
    assert generate(path, ("b", 0), ("a", 0)) == [
        Completion("b", 0, "cc", form="completion", characters=2, finish_reason="unknown"),
        Completion("a", 0, "s", form="solution", characters=1, finish_reason="unknown"),
    ]
    with pytest.raises(UserError, match=r"a\.jsonl has no sample with task_id a and sample_id 1"):
        generate(path, ("a", 1))


@pytest.mark.parametrize("form", ["answer", "completion", "solution", "program"])
def test_rows_of_a_run_keep_their_form(form: Any, tmp_path: Path) -> None:
    row = row_to_json(Completion("a", 1, "t", form, prompt_tokens=3, total_s=0.5, characters=1))
    problem = Problem("a", Prompt(text=""), {}, "", accepts_programs=True)
    replayed = backend(write_samples(tmp_path / "completions.jsonl", row)).generate([Request(problem, 1)], Sampling())
    assert list(replayed) == [Completion("a", 1, "t", form, characters=1)]


def test_program_is_used_only_if_the_problem_accepts_one(tmp_path: Path) -> None:
    path = write_samples(tmp_path / "a.jsonl", {"task_id": "a", "solution": "s", "program": "p"})
    for accepts, form in ((True, "program"), (False, "solution")):
        problem = Problem("a", Prompt(text=""), {}, "", accepts_programs=accepts)
        (completion,) = backend(path).generate([Request(problem, 0)], Sampling())
        assert (completion.form, completion.text) == (form, form[0])


def test_single_program_is_refused_if_the_problem_accepts_none(tmp_path: Path) -> None:
    path = write_samples(tmp_path / "a.jsonl", {"task_id": "a", "program": "p"})
    with pytest.raises(
        UserError,
        match="line 1: the sample has only a program, which this task does not accept; give its solution or completion",
    ):
        backend(path).resolve_sample_keys({"a": Problem("a", Prompt(text=""), {}, "")})
    assert backend(path).resolve_sample_keys({"a": Problem("a", Prompt(text=""), {}, "", accepts_programs=True)}) == [
        ("a", 0)
    ]


def test_requests_are_all_samples_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write_samples(tmp_path / "a.jsonl", {"task_id": "b", "solution": ""}, {"task_id": "a", "solution": ""})
    assert backend(path).resolve_sample_keys({name: make_problem(name) for name in "abc"}) == [("b", 0), ("a", 0)]
    with pytest.raises(UserError, match=r"line 2: task_id 'a' is not in this task \(b, c, \.\.\.\); check --task"):
        backend(path).resolve_sample_keys({name: make_problem(name) for name in "bc"})


def test_description_depends_only_on_the_content(tmp_path: Path) -> None:
    row = {"task_id": "a", "solution": "s"}
    first = backend(write_samples(tmp_path / "a.jsonl", row)).describe()
    assert first["samples"] == 1
    assert backend(write_samples(tmp_path / "b.jsonl.gz", {**row, "sample_id": 0, "note": 1})).describe() == first
    for other in ({**row, "solution": "t"}, {**row, "sample_id": 1}, {"task_id": "a", "completion": "s"}):
        assert backend(write_samples(tmp_path / "c.jsonl", other)).describe() != first


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "contains no samples"),
        (["", "{"], "line 2: not JSON"),
        (["3"], "line 1: the sample has no task_id"),
        (["[]"], "is a JSON array, but not of bigcode-evaluation-harness"),
        (["", " [", {"task_id": "a", "solution": ""}, "]"], "is a JSON array, but not of bigcode-evaluation-harness"),
        ([{"task_id": "a", "solution": ""}, "[]"], "line 2: the sample has no task_id"),
        (
            [{"task_id": "a", "solution": "", "completion": ""}],
            "line 1: the sample has both a solution and a completion; give",
        ),
        ([{"task_id": "a", "text": "", "form": "poem"}], "line 1: the sample has no solution"),
        ([{"task_id": "a", "text": ""}], "line 1: the sample has no solution"),
        (
            [{"task_id": "a", "text": "", "form": "answer", "error": "HTTP 500"}],
            "line 1: the sample has no text, because its generation failed",
        ),
        ([{"task_id": None, "solution": ""}], "line 1: the sample has no task_id"),
        ([{"task_id": "a"}], "line 1: the sample has no solution"),
        ([{"task_id": "a", "solution": None}], "line 1: the sample has no solution"),
        (
            [{"task_id": "a", "solution": "", "sample_id": True}],
            "line 1: sample_id True is not an integer",
        ),
        (
            [{"task_id": "a", "solution": "", "sample_id": 1.5}],
            r"line 1: sample_id 1\.5 is not an integer",
        ),
        ([{"task_id": "a", "solution": ""}, {"task_id": "a", "sample_id": 0, "solution": ""}], "line 2: .* in line 1"),
    ],
)
def test_invalid_file_is_a_user_error_of_one_line(rows: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"a\.jsonl.*{message}") as caught:
        backend(write_samples(tmp_path / "a.jsonl", *rows))
    assert "\n" not in str(caught.value)


def test_message_has_only_the_line_number_of_the_file(tmp_path: Path) -> None:
    """The JSON parser reports a line number within its input, which is one line."""
    with pytest.raises(UserError) as caught:
        read_samples(write_samples(tmp_path / "a.jsonl", {"task_id": "a", "solution": ""}, "", "", "", '{"task_id":'))
    assert "line 5: not JSON" in str(caught.value)
    assert "line 1" not in str(caught.value)
    assert "line 2" not in str(caught.value)


def test_how_a_row_of_a_run_ended_is_kept(tmp_path: Path) -> None:
    ending = {"finish_reason": "length", "reasoning": "hmm", "reasoning_tokens": 3}
    row = {"task_id": "a", "sample_id": 0, "text": "", "form": "answer", **ending, "refusal": None}
    [completion] = generate(write_samples(tmp_path / "a.jsonl", row), ("a", 0))
    assert {key: getattr(completion, key) for key in ending} == ending
    assert completion.refusal is None
