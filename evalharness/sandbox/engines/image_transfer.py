"""Copies images from one container engine to another, so that all nodes of a cluster run the same image by id."""

import io
from typing import Any

from docker.errors import ImageNotFound

from evalharness.errors import UserError
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.docker import DockerEngine, engine_errors


def image_id(engine: Any, name: str) -> str | None:
    """Returns the id of an image; None if it is not built, or for an engine whose images have no ids."""
    if not isinstance(engine, DockerEngine):
        return None
    with engine_errors():
        try:
            return str(engine.client.images.get(images.image_tag(name)).id)
        except ImageNotFound:
            return None


def pack(engine: Any, name: str) -> bytes:
    """Returns the image with its tag, in Docker's format. Raises UserError for an engine without such images."""
    if not isinstance(engine, DockerEngine):
        raise UserError(f"images of the sandbox engine {engine.name} cannot be copied; build them on every node")
    tag = images.image_tag(name)
    with engine_errors():
        return b"".join(engine.client.images.get(tag).save(named=tag))


def unpack(engine: Any, data: bytes) -> None:
    """Loads an image that `pack` returned."""
    with engine_errors():
        engine.client.images.load(io.BytesIO(data))
