"""Programs of other languages: their outcomes, and that an early exit with success does not pass."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evalharness.records import Checks, CommandProgram, Execution, Limits
from evalharness.sandbox.agent.judge import commands
from evalharness.sandbox.agent.judge.commands import StepRun
from evalharness.sandbox.agent.shared.messages import NoHiddenTests, ResourceUsage
from evalharness.sandbox.agent.shared.outcome import PASSED
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.languages import languages_by_image
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

NO_ASSERT = "#undef assert\n#define assert(x)\n"
ENDS = {
    # image: (what continues the prompt of the hello problem, step, status, part of the detail)
    "sh right": ("sh", None, "run", "passed", ""),
    "sh wrong": ("sh", "    echo 7\n", "run", "failed", "exit code 1"),
    "sh leaves early": ("sh", "    kill -9 0\n", "run", "memory", ""),
    "sh hangs": ("sh", "    while true; do :; done\n", "run", "timeout", "15 s"),
    "python wrong": ("python", "    return 7\n", "run", "failed", "AssertionError"),  # the traceback opens the source
    "python opens its source": (
        "python",
        "    open(__file__).close()\n    return a + b\n",
        "run",
        "tampered",
        "opens program.py",
    ),
    "cpp right": ("cpp", None, "run", "passed", ""),
    "cpp does not compile": ("cpp", "    return a +;\n", "compile", "error", "expected"),
    "cpp leaves early": ("cpp", "    exit(0);\n", "run", "tampered", "before all its tests"),
    "cpp crashes": ("cpp", "    return *(volatile long*)0;\n", "run", "failed", "SIGSEGV"),
    "cpp empties assert": (
        "cpp",
        "    return 0;\n}\n#undef assert\n#define assert(x)\nvoid g() {\n",
        "run",
        "tampered",
        "",
    ),
    "js empties assert": (
        "js",
        "  return 0;\n}\nrequire('node:assert').deepEqual = () => {};\n",
        "run",
        "tampered",
        "the program passes although",
    ),
    "js prints without end": ("js", "  while (true) console.log('x'.repeat(1e5));\n}\n", "run", "timeout", ""),
}


@pytest.fixture(scope="module")
def sandbox(engine: None) -> Iterator[ContainerPool]:
    with closing(ContainerPool(DockerEngine(), 2)) as opened:
        opened.prepare(["sh", "cpp", "js", "python"])
        yield opened


def executed(image: str, solution: str | None, sandbox: ContainerPool) -> Execution:
    hello = languages_by_image()[image].hello
    source = hello.prompt + (hello.right if solution is None else solution)
    return sandbox.run(CommandProgram(image, source, Limits(0, 1024), Checks(hello.tests, stem=hello.prompt)))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * ("timeout" in ENDS[name])) for name in ENDS]
)
def test_how_it_ends(name: str, sandbox: ContainerPool) -> None:
    image, solution, step, status, detail = ENDS[name]
    parts = executed(image, solution, sandbox).parts
    assert list(parts)[-1] == step
    assert parts[step].status == status, parts
    assert detail in parts[step].detail


def test_steps_see_the_files_of_their_program_alone(sandbox: ContainerPool) -> None:
    look = '    [ "$(ls /tmp | wc -l)" = 1 ] && [ "$(ls | wc -l)" = 1 ] || exit 3\n'
    look += "    touch left\n    echo $(( $1 + $2 ))\n"
    for _ in range(2):
        parts = executed("sh", look, sandbox).parts
        assert parts["run"].status in ("passed", "failed"), parts
        assert "exit code 3" not in parts["run"].detail


def test_time_and_memory_are_told(sandbox: ContainerPool) -> None:
    outcome = executed("cpp", None, sandbox).parts["compile"]
    assert 0.05 < outcome.cpu_s < 30
    assert 0.05 < outcome.wall_s < 60
    assert 10 < outcome.peak_mb < 2000


@pytest.mark.parametrize(
    ("right", "canary", "status"),
    [
        (["passed"] * 5, "failed", "passed"),
        (["passed"] * 5, "passed", "tampered"),
        (["passed"] * 4 + ["failed"], "failed", "failed"),
        (["passed", "timeout", "passed", "passed", "passed"], "failed", "timeout"),
        (["failed"] * 5, "failed", "failed"),
    ],
)
@pytest.mark.parametrize("attempt", range(8))  # the order is random
def test_a_program_must_pass_each_time(
    right: list[str], canary: str, status: str, attempt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = iter(right)

    def run_steps(job: object, program: bytes, uid: int, folder: str) -> dict[str, dict[str, str]]:
        return {"run": {"status": next(runs) if program == b"right" else canary, "detail": ""}}

    monkeypatch.setattr(commands, "run_steps", run_steps)
    monkeypatch.setattr(commands.cleaning, "clean_up_between_runs", lambda *_: True)
    job: Any = {"program": b"right", "canaries": [b"made false"] * 5, "right_runs": 5}
    results, _ = commands.judge(job, NoHiddenTests, 0, "")
    assert results["run"]["status"] == status


def test_a_program_that_takes_too_long_runs_twice_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[bytes] = []

    def run_steps(job: object, program: bytes, uid: int, folder: str) -> dict[str, dict[str, str]]:
        runs.append(program)
        return {"run": {"status": "timeout", "detail": ""}}

    monkeypatch.setattr(commands, "run_steps", run_steps)
    monkeypatch.setattr(commands.cleaning, "clean_up_between_runs", lambda *_: True)
    job: Any = {"program": b"right", "canaries": [b"made false"] * 5, "right_runs": 5}
    for _ in range(20):
        runs.clear()
        assert commands.judge(job, NoHiddenTests, 0, "")[0]["run"]["status"] == "timeout"
        assert len(runs) <= 2


def test_the_token_differs_in_every_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: set[bytes] = set()

    def run_command(job: object, command: object, limit_s: float, uid: int, folder: str, source: object) -> StepRun:
        seen.add((tmp_path / "program").read_bytes())
        return StepRun(PASSED, b"", b"", ResourceUsage(cpu_s=0, wall_s=0, peak_mb=0, waited_s=0))

    monkeypatch.setattr(commands, "run_command", run_command)
    step = {"name": "run", "command": [], "time_s": 1, "warm": False, "shortcut": None}
    rules = {"stderr_contains": [], "output_contains": [], "stderr_not_empty": False}
    job: Any = {"file": "program", "piped": False, "opens": {}, "steps": [step], "fails_on": rules, "token": b"0" * 32}
    for _ in range(3):
        assert commands.run_steps(job, b"echo " + b"0" * 32, 0, str(tmp_path))["run"]["status"] == "tampered"
    assert len(seen) == 3
    assert all(len(text) == 37 and b"0" * 32 not in text for text in seen)


@pytest.mark.slow
def test_a_shortcut_applies_only_where_its_result_is_the_same(sandbox: ContainerPool) -> None:
    (compiling, _), hello = languages_by_image()["cpp"].steps, languages_by_image()["cpp"].hello
    assert compiling.shortcut is not None
    text = hello.prompt + hello.right
    assert re.match(compiling.shortcut.begins, text)
    assert re.match(compiling.shortcut.begins, f"#include<stdlib.h>\n#include <vector>\n\n{text}")
    for other in ("#define x\n", "long f();\n", "#include<assert.h>\n//", "#include\t<a>\n"):
        assert not re.match(compiling.shortcut.begins, f"{other}{text}")
    assert not re.match(compiling.shortcut.begins, "#include<assert.h>\n#include<vector>\nlong f() {}")
    quick = executed("cpp", None, sandbox).parts["compile"]
    slow = sandbox.run(CommandProgram("cpp", f"//\n{text}", Limits(0, 1024), Checks(hello.tests)))
    assert slow.parts["run"].status == "passed"
    assert quick.cpu_s < 0.7 * slow.parts["compile"].cpu_s
    wrong = executed("cpp", "    return nothing;\n", sandbox).parts["compile"]
    assert wrong.status == "error"
    assert "nothing" in wrong.detail


@pytest.mark.slow
def test_the_cpu_time_of_a_killed_child_is_reported(sandbox: ContainerPool) -> None:
    """So that a program that has used up its time by itself is not run again."""
    outcome = executed("sh", "    echo $(while true; do :; done)\n", sandbox).parts["run"]
    assert outcome.status == "timeout"
    assert outcome.cpu_s > 12
    assert outcome.wall_s < 100
