"""Chat answers of MultiPL-E in the sandbox: every form of a right function passes, and a wrong one fails."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from helpers.function_answers import answers, language_of, target_of

from evalharness.adapters.extraction.languages.function_program import extract_function_program
from evalharness.records import Checks, CommandProgram, Limits
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

QUICK = {
    "cpp": ("callers behind the function",),
    "java": ("another class with main",),
    "js": ("demonstration and tests",),
    "php": ("namespace, use and class",),
    "sh": ("exit at the end", "strict mode and a call"),
    "ts": ("imports in use",),
}
"""The forms of each language that a quick run of the tests tries. All others are slow."""
BUILT = ("cpp", "java", "js", "php", "sh", "ts")
"""Languages whose images every run of all tests has."""
MORE = ("go", "lua", "pl", "rb", "rs", "cs", "d", "elixir", "hs", "ml", "r", "rkt", "scala")
"""Languages whose images are used where they exist."""


def cases() -> Iterator[object]:
    for code in (*BUILT, *MORE):
        for form in answers(code):
            quick = form in QUICK.get(code, ())
            yield pytest.param(code, form, marks=() if quick else pytest.mark.slow, id=f"{code}-{form}")


@pytest.fixture(scope="module")
def sandbox(engine: None) -> Iterator[ContainerPool]:
    with closing(ContainerPool(DockerEngine(), 2)) as pool:
        yield pool


def verdict(answer: str, code: str, sandbox: ContainerPool) -> tuple[str, str, str]:
    """The status and the message of the program of an answer, and the program."""
    image, _ = language_of(code)
    if code not in BUILT and not images.is_image_built(image):
        pytest.skip(f"the image {image} is not built")
    target = target_of(code)
    program = CommandProgram(
        image, extract_function_program(answer, target).source, Limits(30), Checks(target.tests, stem=target.prompt)
    )
    sandbox.prepare([image])
    parts = sandbox.run(program).parts.values()
    failed = next((part for part in parts if part.status != "passed"), None)
    return (failed.status, failed.detail, program.source) if failed else ("passed", "", program.source)


@pytest.mark.parametrize(("code", "form"), cases())
def test_a_right_answer_passes(code: str, form: str, sandbox: ContainerPool) -> None:
    status, message, source = verdict(answers(code)[form], code, sandbox)
    assert status == "passed", f"{message}\n{source}"


@pytest.mark.slow
@pytest.mark.parametrize("code", [*BUILT, *MORE])
def test_a_wrong_answer_fails(code: str, sandbox: ContainerPool) -> None:
    answer = answers(code)["plain"]
    wrong = answer.replace(" + b", " - b - 1").replace("+ $", "- $").replace("(+ a b)", "(- a b)")
    assert wrong != answer
    assert verdict(wrong, code, sandbox)[0] in ("failed", "error")
