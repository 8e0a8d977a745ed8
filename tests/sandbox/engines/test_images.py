"""An image's tag names its content; building is done once and its failures are the user's to read."""

import shutil
import time
from pathlib import Path

import docker
import pytest

from evalharness.errors import UserError
from evalharness.sandbox.engines import images
from evalharness.util.paths import bundled_folder

NAME = "python"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the images' folders and, as `agent`, of the agent's, in use for this test."""
    shutil.copytree(bundled_folder("sandboxes"), tmp_path / "sandboxes")
    shutil.copytree(images.AGENT_FOLDER, tmp_path / "agent")
    monkeypatch.setattr(images, "bundled_folder", lambda name: tmp_path / name)
    monkeypatch.setattr(images, "AGENT_FOLDER", tmp_path / "agent")
    return tmp_path


def add_image(folders: Path, name: str, dockerfile: str) -> None:
    folder = folders / "sandboxes" / name
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)


def test_tag_names_the_content(folders: Path) -> None:
    before = images.image_tag(NAME)
    assert images.image_tag(NAME) == before
    tags = {before}
    dockerfile = folders / "sandboxes" / NAME / "Dockerfile"
    for path in (dockerfile, folders / "agent" / "judge" / "job.py", folders / "agent" / "__main__.py"):
        path.write_text(path.read_text() + "\n")
        tags.add(images.image_tag(NAME))
    (dockerfile.parent / "folder").mkdir()
    (dockerfile.parent / "folder" / "file").write_bytes(b"\0\xff")
    tags.add(images.image_tag(NAME))
    (dockerfile.parent / "folder" / "file").rename(dockerfile.parent / "folder" / "other")
    tags.add(images.image_tag(NAME))
    assert len(tags) == 6


def test_tag_does_not_depend_on_other_files(folders: Path) -> None:
    before = images.image_tag(NAME)
    (folders / "agent" / "judge" / "job.py").touch()
    (folders / "agent" / "judge" / "__pycache__").mkdir(exist_ok=True)
    (folders / "agent" / "judge" / "__pycache__" / "job.pyc").write_bytes(b"compiled")
    add_image(folders, "another", "ARG BASE=x")
    assert images.image_tag(NAME) == before


def test_context_contains_the_folder_and_the_agent() -> None:
    context = images.build_context_files(NAME)
    assert {"Dockerfile", "agent/__main__.py", "agent/shared/codec.py"} <= context.keys()
    assert not [place for place in context if "__pycache__" in place]


def test_names_are_those_of_the_folders(folders: Path) -> None:
    add_image(folders, "another", "ARG BASE=x")
    (folders / "sandboxes" / "not-an-image").mkdir()
    assert images.image_names() == sorted({"another", *images.image_names()})
    assert "not-an-image" not in images.image_names()


@pytest.mark.parametrize("ask", [images.image_folder, images.image_tag, images.build_context_files])
def test_an_unknown_name_is_an_error_with_the_nearest_one(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(UserError, match=r"'pyhton'.*python") as error:
        ask("pyhton")
    assert "\n" not in str(error.value)


@pytest.mark.docker
def test_an_image_of_another_agent_is_another_image(client: docker.DockerClient, folders: Path) -> None:
    assert dict(images.sandbox_image_ids(client))[NAME]
    (folders / "agent" / "judge" / "job.py").write_text("# another agent")
    assert dict(images.sandbox_image_ids(client))[NAME] is None


@pytest.mark.docker
def test_building_an_unchanged_image_does_nothing(client: docker.DockerClient) -> None:
    said: list[str] = []
    begun = time.monotonic()
    built = images.build_image(client, NAME, said.append)
    assert time.monotonic() - begun < 1
    assert said == []
    assert built == dict(images.sandbox_image_ids(client))[NAME]


@pytest.mark.docker
def test_a_changed_image_is_built_and_the_old_one_stays(client: docker.DockerClient, folders: Path) -> None:
    dockerfile = "ARG BASE=debian:bookworm-slim\nFROM ${BASE}\nCOPY word /word\n"
    base = images.image_tag(NAME)
    add_image(folders, "small", dockerfile)
    built = []
    for word in ("one", "two"):
        (folders / "sandboxes" / "small" / "word").write_text(word)
        built.append((images.image_tag("small"), images.build_image(client, "small", print, base_image=base)))
    try:
        for tag, image in built:
            assert client.images.get(tag).id == image
        assert len(set(built)) == 2
    finally:
        for tag, _ in built:
            client.images.remove(tag, force=True)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        ("ARG BASE=x\nFROM ${BASE}\nRUN echo out of luck >&2; exit 3\n", "'broken' failed .*out of luck"),
        ("ARG BASE=x\nFROM ${BASE}\nCOPY nothing /\n", "'broken' failed .*nothing"),
        ("ARG BASE=x\nFORM ${BASE}\n", "'broken' failed .*FORM"),
    ],
)
def test_a_failing_build_is_an_error_with_the_end_of_its_output(
    dockerfile: str, said: str, client: docker.DockerClient, folders: Path
) -> None:
    base = images.image_tag(NAME)
    add_image(folders, "broken", dockerfile)
    with pytest.raises(UserError, match=said) as error:
        images.build_image(client, "broken", print, base_image=base)
    assert "\n" not in str(error.value)


@pytest.mark.docker
def test_a_dockerfile_without_a_base_is_an_error(client: docker.DockerClient, folders: Path) -> None:
    add_image(folders, "baseless", "FROM debian:bookworm-slim\n")
    with pytest.raises(UserError, match="ARG BASE=IMAGE"):
        images.build_image(client, "baseless", print)
