"""Grading beside generation: order, the bound on what waits, failures, and samples that the machine failed on."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from evalharness.backends import BackendConfig
from evalharness.backends.reference import ReferenceBackend
from evalharness.pipeline import config, grading, validate
from evalharness.pipeline.grading import Grader
from evalharness.records import (
    Completion,
    ExecProgram,
    Execution,
    Key,
    Outcome,
    Problem,
    Program,
    Prompt,
    Request,
    Sampling,
    Verdict,
)
from evalharness.util.limits.calls import LimitExceeded

Command = Callable[..., "subprocess.CompletedProcess[str]"]
PROBLEMS = {name: Problem(name, Prompt(text=""), {}, "") for name in "abcdef"}


class Simple:
    """A task whose program is the completion, and a sandbox in which every program passes once it may run."""

    name = "simple"
    max_text_bytes = 100

    def __init__(self) -> None:
        self.may_run = threading.Event()
        self.ran: list[str] = []

    def problems(self) -> list[Problem]:
        return list(PROBLEMS.values())

    def program(self, problem: Problem, completion: Completion) -> Program:
        if completion.text == "expensive":
            raise LimitExceeded("needs more than 1 s")
        return ExecProgram("", completion.text, limits=None)  # type: ignore[arg-type]

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        return Verdict(completion.task_id, completion.sample_id, passed=True, status="passed")

    def run(self, program: Program) -> Execution:
        assert self.may_run.wait(10)
        self.ran.append(program.source)
        if program.source == "broken":
            raise OSError("the disk is full")
        return Execution(parts={"checks": Outcome("passed")})

    def describe(self) -> Mapping[str, Any]:
        return {}

    def close(self) -> None:
        pass


def grader(simple: Simple, verdicts: list[Verdict], workers: int = 1, **costs: float) -> Grader:
    return Grader(simple, PROBLEMS, simple, lambda problem: costs[problem.task_id], verdicts.append, workers)


def test_a_text_that_is_too_large_or_too_expensive_to_read_does_not_run() -> None:
    simple = Simple()
    for text, detail in {"a" * 101: "the answer is larger than 0.0001 MB", "expensive": "needs more than 1 s"}.items():
        verdict = grading.grade_completion(simple, PROBLEMS["a"], Completion("a", 3, text), simple)
        assert verdict.key == ("a", 3)
        assert not verdict.passed
        assert verdict.status == "too_large"
        assert detail in verdict.detail
    assert simple.ran == []


def test_every_completion_is_judged_once() -> None:
    simple, verdicts = Simple(), list[Verdict]()
    simple.may_run.set()
    judge = grader(simple, verdicts, workers=4, a=1, b=1)
    keys = [(name, number) for name in "ab" for number in range(50)]
    for key in keys:
        judge.put(Completion(*key, text=""))
    judge.finish()
    judge.join()
    assert sorted(verdict.key for verdict in verdicts) == keys


def test_the_costliest_goes_first_and_one_of_unknown_cost_before_all() -> None:
    simple, verdicts = Simple(), list[Verdict]()
    judge = grader(simple, verdicts, a=0, b=1, c=3, d=float("inf"), e=2)
    for name in "abcde":
        judge.put(Completion(name, 0, text=name))
    simple.may_run.set()
    judge.finish()
    judge.join()
    first = simple.ran.index("a") == 0  # it may have been taken before the others came
    assert simple.ran == (["a", "d", "c", "e", "b"] if first else ["d", "c", "e", "b", "a"])


def test_generation_waits_while_too_much_is_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "MAX_QUEUED_COMPLETIONS", 2)
    simple, verdicts, put = Simple(), list[Verdict](), list[int]()
    judge = grader(simple, verdicts, a=1)

    def generate() -> None:
        for number in range(8):
            judge.put(Completion("a", number, text=""))
            put.append(number)

    thread = threading.Thread(target=generate)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    assert len(put) <= 3  # one in work, two waiting
    simple.may_run.set()
    thread.join(10)
    judge.finish()
    judge.join()
    assert len(verdicts) == 8


def test_a_failure_of_the_harness_reaches_the_caller() -> None:
    simple, verdicts = Simple(), list[Verdict]()
    simple.may_run.set()
    judge = grader(simple, verdicts, a=1)
    judge.put(Completion("a", 0, text="broken"))
    with pytest.raises(OSError, match="the disk is full"):
        judge.finish()
    judge.join()
    assert verdicts == []


def test_closed_it_ends_without_judging_the_rest() -> None:
    simple, verdicts = Simple(), list[Verdict]()
    judge = grader(simple, verdicts, a=1)
    for number in range(20):
        judge.put(Completion("a", number, text=""))
    judge.close()
    simple.may_run.set()
    judge.join()
    assert verdicts == []


class Unreliable(ReferenceBackend):
    """The official solutions, but for some requests that an endpoint does not answer."""

    failing: frozenset[Key] = frozenset()

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        for completion in super().generate(requests, sampling):
            failed = completion.key in self.failing
            yield Completion(*completion.key, text="", error="the endpoint is gone") if failed else completion


def find_unreliable(name: str) -> Callable[[BackendConfig], Unreliable]:
    return Unreliable


@pytest.mark.docker
def test_what_the_machine_failed_on_is_no_wrong_answer_and_is_tried_again(
    engine: None, tmp_path: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (config, validate):
        monkeypatch.setattr(module, "find_backend", find_unreliable)
    monkeypatch.setattr(Unreliable, "failing", frozenset({("Sample/1", 0), ("Sample/4", 0)}))
    run = ("run", "--task", "humaneval", "--data", "sample", "--out", tmp_path, "--limit", 6)

    done = cli(*run)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("2 samples without a verdict")
    assert "the endpoint is gone" in done.stderr
    assert "2 infrastructure" in done.stdout
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["statuses"] == {"passed": 4, "infrastructure": 2}
    assert summary["metrics"]["pass@1"]["value"] == 1.0
    rows = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    failed = [row for row in rows if row["status"] == "infrastructure"]
    assert {(row["task_id"], row["passed"], row["detail"]) for row in failed} == {
        ("Sample/1", False, "the endpoint is gone"),
        ("Sample/4", False, "the endpoint is gone"),
    }
    kept = (tmp_path / "completions.jsonl").read_bytes()
    assert kept.count(b"\n") == 4

    monkeypatch.setattr(Unreliable, "failing", frozenset())
    assert cli(*run).returncode == 0
    assert json.loads((tmp_path / "summary.json").read_text())["statuses"] == {"passed": 6}
    assert (tmp_path / "completions.jsonl").read_bytes().startswith(kept)
    rows = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert sorted(row["task_id"] for row in rows) == [f"Sample/{number}" for number in range(6)]
