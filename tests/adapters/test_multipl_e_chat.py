"""Typical chat answers of MultiPL-E pass in the real sandbox if their function is correct."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from evalharness.adapters import open_task
from evalharness.records import Completion
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

MAIN = {
    "cpp": "}\n\nint main() {\n    std::cout << 1;\n    return 0;\n}\n",
    "java": '    }\n\n    public static void main(String[] args) {\n        System.out.println("{}");\n    }\n}\n',
    "js": 'console.log("done");\n',
    "php": "?>\n",
    "sh": "}\n\necho done\n",
    "ts": "console.log(1);\n",
}
"""The end of the function and code that models often write after it."""


@pytest.fixture(scope="module")
def sandbox(engine: None) -> Iterator[ContainerPool]:
    with closing(ContainerPool(DockerEngine(), 2)) as pool:
        yield pool


@pytest.mark.parametrize(
    "language",
    [pytest.param(language, marks=pytest.mark.slow if language in ("cpp", "ts") else ()) for language in MAIN],
)
def test_a_whole_program_in_a_code_block(language: str, sandbox: ContainerPool) -> None:
    task, _ = open_task(f"multipl-e-{language}", "sample", {"recipe": "chat"})
    sandbox.prepare([language])
    for problem in task.problems()[3:5]:
        code = f"{problem.reference}\n{MAIN[language]}"
        for text, passes in ((code, True), (code.replace("return", "return 7 +").replace('echo "$', "echo 7"), False)):
            answer = f"Here is the function.\n\n```{language}\n{text}```\n\nIt does what you asked for."
            program = task.program(problem, Completion(problem.task_id, 0, answer))
            assert program is not None
            verdict = task.verdict(Completion(problem.task_id, 0, answer), sandbox.run(program))
            assert verdict.passed == passes, (problem.task_id, verdict)
