"""Images from one container engine to another, so that every node of a cluster runs the same one, by its id."""

import io
from typing import Any

from docker.errors import ImageNotFound

from evalharness.errors import UserError
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.docker import DockerEngine, answering


def image_id(engine: Any, name: str) -> str | None:
    """The id of an image, None where it is not there. Engines that have no ids of their own build alike everywhere."""
    if not isinstance(engine, DockerEngine):
        return None
    with answering():
        try:
            return str(engine.client.images.get(images.image_tag(name)).id)
        except ImageNotFound:
            return None


def pack(engine: Any, name: str) -> bytes:
    """The image with its name, in Docker's format. Raises UserError for an engine that has none."""
    if not isinstance(engine, DockerEngine):
        raise UserError(f"images of the sandbox engine {engine.name} cannot be shipped; build them on every node")
    tag = images.image_tag(name)
    with answering():
        return b"".join(engine.client.images.get(tag).save(named=tag))


def unpack(engine: Any, data: bytes) -> None:
    """Loads what `pack` gave."""
    with answering():
        engine.client.images.load(io.BytesIO(data))
