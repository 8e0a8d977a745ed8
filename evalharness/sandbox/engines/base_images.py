"""The base images of sandbox images: pulled from a registry, or made from Debian packages."""

import shutil
import subprocess
from collections.abc import Callable

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from evalharness.errors import UserError

DEBIAN_SUITE = "bookworm"
LOCAL_BASE_IMAGE = f"evalharness/base:{DEBIAN_SUITE}"
"""The base image that is made from Debian's packages if no registry answers."""

Log = Callable[[str], None]
"""Receives the messages of an image build."""


def is_debian(base_image: str) -> bool:
    """Returns whether a base image is Debian's; the locally built `LOCAL_BASE_IMAGE` can then replace it."""
    return base_image.startswith("debian:")


def find_base_image(client: docker.DockerClient, official_image: str, log: Log) -> str:
    """Returns the name of the base image for building a sandbox image; pulls or builds it if needed.

    It is the first available of: `official_image` in the engine; for Debian, `LOCAL_BASE_IMAGE` in the engine;
    `official_image` from a registry; for Debian, a new `LOCAL_BASE_IMAGE`. Raises UserError if none is available.
    """
    for local in (official_image, *([LOCAL_BASE_IMAGE] if is_debian(official_image) else [])):
        try:
            client.images.get(local)
            return local
        except ImageNotFound:
            pass
    try:
        log(f"pulling {official_image}")
        client.images.pull(official_image)
        return official_image
    except (APIError, DockerException) as error:
        if not is_debian(official_image):
            raise UserError(
                f"the base image {official_image} cannot be pulled: no registry answers; check the network, or run "
                f"`docker pull {official_image}`"
            ) from None
        log(f"no registry answers ({str(error)[:120]}); building the base image from Debian's packages")
    return make_debian_base(client, log)


def make_debian_base(client: docker.DockerClient, log: Log) -> str:
    """Builds a minimal Debian base image with mmdebstrap in about 20 s; returns its name, `LOCAL_BASE_IMAGE`.

    Raises UserError if that fails.
    """
    if not shutil.which("mmdebstrap"):
        raise UserError(
            "no image registry answers, and mmdebstrap, which builds a base image, is not installed; check the "
            "network, or run: apt-get install mmdebstrap"
        )
    command = ["mmdebstrap", "--variant=apt", "--include=ca-certificates", DEBIAN_SUITE, "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        archive = process.stdout.read()
        messages = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise UserError(
            f"making a Debian base image with mmdebstrap failed ({messages.strip()[-300:]}); check the network and "
            "apt's sources"
        )
    repository, _, tag = LOCAL_BASE_IMAGE.partition(":")
    client.api.import_image_from_data(archive, repository=repository, tag=tag)
    log(f"built {LOCAL_BASE_IMAGE} from Debian {DEBIAN_SUITE} packages")
    return LOCAL_BASE_IMAGE
