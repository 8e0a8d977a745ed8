"""Copies sandbox images between container engines, so that all cluster nodes run the same image by id."""

import io
from typing import Any

from docker.errors import ImageNotFound

from evalharness.errors import UserError
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.docker import DockerEngine, translate_engine_errors


def image_id(engine: Any, image_name: str) -> str | None:
    """Returns the id of a sandbox image; None if the image is not built or the engine is not Docker."""
    if not isinstance(engine, DockerEngine):
        return None
    with translate_engine_errors():
        try:
            return str(engine.client.images.get(images.image_tag(image_name)).id)
        except ImageNotFound:
            return None


def pack_image(engine: Any, image_name: str) -> bytes:
    """Returns a sandbox image as a tar archive in Docker's format. Raises UserError if the engine is not Docker."""
    if not isinstance(engine, DockerEngine):
        raise UserError(
            f"images of the sandbox engine {engine.name} cannot be copied between cluster nodes; build them on "
            "every node with `evalharness sandbox build`"
        )
    tag = images.image_tag(image_name)
    with translate_engine_errors():
        return b"".join(engine.client.images.get(tag).save(named=tag))


def unpack_image(engine: Any, archive: bytes) -> None:
    """Loads a sandbox image into the engine from `archive`, a tar archive that `pack_image` returned."""
    with translate_engine_errors():
        engine.client.images.load(io.BytesIO(archive))
