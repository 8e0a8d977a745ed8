"""No program in another language passes the language's hello problem without solving it."""

import pytest
import yaml
from helpers.attack import PROGRAMS, Attack, load
from helpers.target import Target

from evalharness.records import Checks, CommandProgram, Limits
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.images import DEFAULT
from evalharness.sandbox.languages import languages_by_image

pytestmark = pytest.mark.docker

FOLDER = PROGRAMS / "languages"
WRONG = ("tampered", "failed", "error", "timeout", "memory")
LEAVING = yaml.safe_load((FOLDER / "rest.yaml").read_text())


def attacks() -> list[object]:
    """Pairs of image and attack. Languages whose images are not built by default are slow."""
    parameters = []
    for image in sorted(languages_by_image()):
        if (FOLDER / f"{image}.yaml").exists():
            for item in load(f"languages/{image}"):
                marks = [pytest.mark.slow] * (item.slow or image not in DEFAULT)
                parameters.append(pytest.param(image, item, id=f"{image}-{item.name}", marks=marks))
    return parameters


def program(image: str, solution: str) -> CommandProgram:
    hello = languages_by_image()[image].hello
    return CommandProgram(image, hello.prompt + solution, Limits(0, 1024), Checks(hello.tests))


@pytest.mark.parametrize(("image", "attack"), attacks())
def test_no_attack_passes(image: str, attack: Attack, target: Target) -> None:
    target.prepare(image)
    outcome = target.run(program(image, attack.source), seconds=120)
    assert outcome.status in WRONG, f"{attack.tries}: {outcome}"
    target.assert_fresh()


def test_every_language_has_an_attack() -> None:
    attacked = {*LEAVING, *(path.stem for path in FOLDER.glob("*.yaml"))}
    assert {image for image in languages_by_image() if not images.needs_image_registry(image)} <= attacked


@pytest.mark.slow
@pytest.mark.parametrize("image", sorted(LEAVING))
def test_an_early_exit_is_tampered(image: str, target: Target) -> None:
    target.prepare(image)
    text = LEAVING[image].replace("{right}", languages_by_image()[image].hello.right)
    outcome = target.run(program(image, f"{text}\n"), seconds=120)
    assert outcome.status in WRONG, outcome
    target.assert_fresh()


@pytest.mark.parametrize("image", [name for name in ("js", "php", "sh") if name in languages_by_image()])
def test_correct_passes_and_wrong_fails(image: str, target: Target) -> None:
    target.prepare(image)
    hello = languages_by_image()[image].hello
    assert target.run(program(image, hello.right), seconds=120).status == "passed"
    assert target.run(program(image, hello.wrong), seconds=120).status == "failed"
