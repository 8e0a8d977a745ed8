"""Compile servers change how long a program takes, and nothing else."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import docker
import psutil
import pytest

from evalharness.records import Checks, CommandProgram, Execution, Limits
from evalharness.sandbox import jobs
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.languages import languages_by_image
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

LIMITS = Limits(time_s=0, memory_mb=1024)
IMAGES = ("ts", "java", pytest.param("scala", marks=pytest.mark.slow))
BODIES = {
    "ts": {
        "of a wrong type": "return a + '';\n}",
        "that is no program": "return a + (b;\n}",
        "that contradicts the library": "return a + b;\n}\ninterface Array<T> { length: string }",
        "that breaks the library": "return a + b;\n}\ninterface HTMLElement { click: string }",
        "that is a module": "return a + b;\n}\nimport * as fs from 'fs';",
        "that wants another file": "return a + b;\n}\nimport x from './program';\nimport y from '/proc/self/fd/0';",
        "that is too deep": "return " + "(" * 5000 + "a + b" + ")" * 5000 + ";\n}",
        "that is no text": "return a + b; // \udcff\n}",
    },
    "java": {
        "of a wrong type": "return a + b;",
        "that is no program": "return Pair.with(a + b, (a - b);",
        "with a note": "List raw = new ArrayList(); raw.add(1); return Pair.with(a + b, a - b);",
        "with a class": "class A { Pair<Long, Long> f() { return Pair.with(a + b, a - b); } } return new A().f();",
        "that is too deep": "long c = " + "(" * 5000 + "a" + ")" * 5000 + "; return Pair.with(c + b, a - b);",
        "that is no text": "return Pair.with(a + b, a - b); // \udcff",
    },
    "scala": {
        "of a wrong type": "a + List(b)",
        "that is no program": "a + (b",
        "with more classes": "class A { def f = List(a, b).map(_ + 0).sum }; (new A).f",
        "that is too deep": "(" * 3000 + "a + b" + ")" * 3000,
    },
}
SLOW_TO_COMPILE = """
type Crowd<N, T> = N extends [any, ...infer R] ? Crowd<R, [T, 0]> | Crowd<R, [T, 1]> : T;
""" + "".join(
    f"let x{n}: Crowd<[{'0,' * 16}], {n}> = null as any as Crowd<[{'0,' * 16}], {-n}>;\n" for n in range(1, 99)
)


def server_of(pool: ContainerPool, client: docker.DockerClient) -> int:
    """Returns the number, on this machine, of the compile server of the container that the last program was in."""
    container = client.containers.get(pool._containers.idle[-1][1].id)
    for _ in range(50):
        for process in psutil.Process(container.attrs["State"]["Pid"]).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() in ("node", "java"):
                    return process.pid
        time.sleep(0.1)
    raise AssertionError("no compile server")


@pytest.fixture(scope="module")
def pool(engine: None) -> Iterator[ContainerPool]:
    """One worker."""
    with closing(ContainerPool(DockerEngine(), workers=1, memory_mb=1024)) as pool:
        yield pool


def hello(image: str, body: str = "", before: str = "") -> CommandProgram:
    """The language's hello program, right, or with another body."""
    problem = languages_by_image()[image].hello
    source = before + problem.prompt + (body or problem.right)
    return CommandProgram(image, source, LIMITS, Checks(problem.tests))


def run_changed(pool: ContainerPool, program: CommandProgram, **change: object) -> Execution:
    """Runs the program with its language's first step changed."""
    language = languages_by_image()[program.image]
    steps = [language.steps[0].model_copy(update=change), *language.steps[1:]]
    changed = languages_by_image() | {program.image: language.model_copy(update={"steps": steps})}
    with patch.object(jobs, "languages_by_image", lambda: changed):
        return pool.run(program)


def verdict(execution: Execution) -> dict[str, tuple[str, str]]:
    """What a grader sees."""
    assert not execution.infrastructure
    return {name: (part.status, part.detail) for name, part in execution.parts.items()}


@pytest.mark.parametrize("image", IMAGES)
def test_a_right_program_passes(image: str, pool: ContainerPool) -> None:
    pool.prepare([image])
    for _ in range(3):
        assert [status for status, _ in verdict(pool.run(hello(image))).values()] == ["passed", "passed"]


PROGRAMS = [
    pytest.param(image, name, marks=() if image != "scala" and name == "of a wrong type" else pytest.mark.slow)
    for image, bodies in BODIES.items()
    for name in bodies
]


@pytest.mark.parametrize(("image", "name"), PROGRAMS)
def test_a_program_gets_the_verdict_of_the_command(image: str, name: str, pool: ContainerPool) -> None:
    pool.prepare([image])
    program = hello(image, BODIES[image][name])
    by_server, by_command = verdict(pool.run(program)), verdict(run_changed(pool, program, warm=False))
    if name == "that is too deep":  # the compiler prints another message each time
        by_server, by_command = (
            {step: (status, "") for step, (status, _) in steps.items()} for steps in (by_server, by_command)
        )
    assert by_server == by_command


def test_the_server_saves_the_start_of_the_compiler(pool: ContainerPool) -> None:
    pool.prepare(["ts"])
    program = replace(hello("ts"), checks=None)
    pool.run(program)
    seconds = [run_changed(pool, program, warm=warm).parts["compile"].cpu_s for warm in (True, False)]
    assert seconds[0] < seconds[1] / 3


def test_a_killed_server_costs_no_verdict(pool: ContainerPool, client: docker.DockerClient) -> None:
    pool.prepare(["java"])
    assert pool.run(hello("java")).parts["run"].status == "passed"
    before = server_of(pool, client)
    os.kill(before, signal.SIGKILL)
    assert pool.run(hello("java")).parts["run"].status == "passed"
    assert server_of(pool, client) != before


@pytest.mark.slow
def test_a_program_that_compiles_for_ever_ends_as_timeout_and_the_next_is_right(pool: ContainerPool) -> None:
    pool.prepare(["ts"])
    slow = hello("ts", before=SLOW_TO_COMPILE)
    assert verdict(run_changed(pool, slow, time_s=1.0)) == {
        "compile": ("timeout", "the step exceeded its time limit of 1 s")
    }
    assert pool.run(hello("ts")).parts["run"].status == "passed"


@pytest.mark.slow
def test_a_program_leaves_nothing_in_the_server(pool: ContainerPool) -> None:
    pool.prepare(["ts"])
    leave = "return a + b;\n}\ndeclare var left: number;\ninterface Array<T> { left: T }\ninterface Left { a: 1 }"
    assert pool.run(hello("ts", leave)).parts["compile"].status == "passed"
    for use in ("left", "[1].left", "null as any as Left"):
        outcome = pool.run(hello("ts", f"let x = {use};\nreturn a + b;\n}}")).parts["compile"]
        assert (outcome.status, "error TS" in outcome.detail) == ("error", True), outcome


@pytest.mark.parametrize("image", IMAGES)
def test_the_server_is_confined_and_holds_no_file_of_a_program(
    image: str, pool: ContainerPool, client: docker.DockerClient
) -> None:
    pool.prepare([image])
    container = pool._containers.idle[-1][1]
    pool.run(hello(image))
    assert pool._containers.idle[-1][1] is container, "the server leaves something behind"
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{server_of(pool, client)}/status").read_text().splitlines()
        if line
    )
    assert "0" not in status["Uid"].split()
    assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16)) == ("1", "2", 0)
