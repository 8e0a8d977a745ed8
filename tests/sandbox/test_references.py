"""Expected outputs are made once, kept, and made again only where something that decides them has changed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from helpers.programs import calls_program, only
from helpers.sandboxes import MakeSandbox

from evalharness.records import Program, ReferenceSolution
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import REFERENCE_SEED, ContainerPool
from evalharness.sandbox.references import ReferenceCache
from evalharness.sandbox.warm_containers import ContainerKind

fresh = count()


def new_program() -> Program:
    """A program with a reference that no test has had yet."""
    number = next(fresh)
    return calls_program(f"def f(x): return x + {number}", f"def f(x): return {number} + x", [(1,), (2,)])


def state(folder: Path) -> dict[Path, int]:
    """Files with the time at which they were written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def references_run(sandbox: ContainerPool) -> int:
    """How often a reference solution was run."""
    return sum(
        container.jobs
        for kind, container in sandbox._containers.idle
        if kind == ContainerKind("python", REFERENCE_SEED)
    )


@pytest.mark.docker
def test_made_once(make_sandbox: MakeSandbox, cache: Path) -> None:
    program, sandbox, before = new_program(), make_sandbox(), state(cache)
    assert only(sandbox.run(program)).status == "passed"
    made = state(cache)
    assert len(made) == len(before) + 1
    assert only(sandbox.run(program)).status == "passed"
    assert only(make_sandbox().run(program)).status == "passed"  # nor by the next process
    assert state(cache) == made
    assert references_run(sandbox) == 1


@pytest.mark.docker
def test_made_once_for_many_at_a_time(engine: None) -> None:
    program, sandbox = new_program(), ContainerPool(DockerEngine(), workers=2)
    sandbox.prepare(["python"])
    with ThreadPoolExecutor(4) as threads:
        statuses = [only(execution).status for execution in threads.map(sandbox.run, [program] * 6)]
    assert statuses == ["passed"] * 6
    assert references_run(sandbox) == 1
    sandbox.close()


@pytest.mark.docker
def test_a_lost_or_broken_file_is_made_again(make_sandbox: MakeSandbox, cache: Path) -> None:
    program, sandbox, before = new_program(), make_sandbox(), state(cache)
    sandbox.run(program)
    (file,) = state(cache).keys() - before.keys()
    for break_it in (file.unlink, lambda: file.write_bytes(b""), lambda: file.write_bytes(file.read_bytes()[:12])):
        break_it()
        assert only(sandbox.run(program)).status == "passed"


@pytest.mark.docker
@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("def f(x): raise ValueError('no answer')", "error on its base inputs: ValueError: no answer"),
        ("def f(x): assert x == 1", "failed on its base inputs: AssertionError"),
        ("def g(x): pass", "error on its base inputs: KeyError: 'f'"),
        ("import os\nos._exit(0)", "tampered on its base inputs: the program exited with success"),
        ("def f(x): return bytearray(5 << 30)", "memory on its base inputs: MemoryError"),
    ],
)
def test_a_reference_that_fails_is_no_verdict(reference: str, said: str, sandbox: ContainerPool, cache: Path) -> None:
    before = state(cache)
    execution = sandbox.run(calls_program("def f(x): return x", reference, [(1,), (2,)]))
    assert not execution.parts
    assert "the task's reference solution ended with " + said in execution.infrastructure
    assert state(cache) == before


@pytest.mark.docker
def test_a_reference_may_do_what_a_program_may_not(sandbox: ContainerPool) -> None:
    """It runs without a guard and without its checks' time limit, in a process that is as confined."""
    reference = "import os, time\ndef f(x):\n    open('a', 'w').close()\n    return bool(os.getcwd())"
    assert only(sandbox.run(calls_program("def f(x): return True", reference))).status == "passed"


@pytest.mark.docker
def test_a_slow_reference_gives_its_programs_more_time(sandbox: ContainerPool) -> None:
    """Five times what it took, but not less than the least limit."""
    paced = "import time\ndef f(x):\n    end = time.process_time() + {0}\n    while time.process_time() < end: pass"
    rules = {"min_time_s": 0.1, "time_factor": 5}
    for seconds, status in ((0.25, "passed"), (5, "timeout")):
        program = calls_program(paced.format(seconds), paced.format(0.1), **rules)
        assert only(sandbox.run(program)).status == status


@pytest.mark.docker
def test_how_long_a_program_should_take_is_known_from_its_reference(sandbox: ContainerPool) -> None:
    program = new_program()
    assert sandbox.estimated_run_s(program) == float("inf")
    sandbox.run(program)
    assert 0 <= sandbox.estimated_run_s(program) < 1


def test_key_names_all_that_decides_the_outputs(tmp_path: Path) -> None:
    keep = ReferenceCache(tmp_path)
    one = ReferenceSolution("source", "f", {"base": b"1"})
    others = [
        replace(one, source="other"),
        replace(one, entry_point="g"),
        replace(one, groups={"plus": b"1"}),
        replace(one, groups={"base": b"2"}),
        replace(one, output_not_none=True),
    ]
    keys = {
        keep.cache_key("python", one),
        keep.cache_key("other", one),
        *(keep.cache_key("python", other) for other in others),
    }
    assert len(keys) == 7
    assert keep.cache_key("python", replace(one)) in keys


def test_concurrent_requests_make_one(tmp_path: Path) -> None:
    keep, made, together = ReferenceCache(tmp_path), list[int](), threading.Barrier(4)

    def make() -> tuple[float, bytes]:
        made.append(1)
        return 1.5, b"data"

    def ask(_: int) -> bytes:
        together.wait()
        return keep.get_or_compute_outputs("key", make)

    with ThreadPoolExecutor(4) as threads:
        assert [*threads.map(ask, range(4))] == [b"data"] * 4
    assert made == [1]
    assert keep.cpu_seconds("key") == 1.5
    assert ReferenceCache(tmp_path).get_or_compute_outputs("key", make) == b"data"
    assert made == [1]


def test_what_cannot_be_made_is_not_kept(tmp_path: Path) -> None:
    keep = ReferenceCache(tmp_path)

    def fail() -> tuple[float, bytes]:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        keep.get_or_compute_outputs("key", fail)
    assert keep.cpu_seconds("key") is None
    assert keep.get_or_compute_outputs("key", lambda: (0.0, b"data")) == b"data"


def test_the_folder_is_the_users_to_choose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("EVALHARNESS_CACHE", raising=False)
    assert ReferenceCache().folder == tmp_path / "xdg" / "evalharness" / "references"
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "own"))
    assert ReferenceCache().folder == tmp_path / "own" / "references"
