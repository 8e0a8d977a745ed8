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


def is_debian_image(image_name: str) -> bool:
    """Returns whether an image is an official Debian image, which the locally built `LOCAL_BASE_IMAGE` can replace."""
    return image_name.startswith("debian:")


def find_base_image(client: docker.DockerClient, official_image: str, log: Log) -> str:
    """Returns the name of an available base image for a sandbox image; pulls or builds one if needed.

    Prefers an image that the container engine already has: `official_image`, or `LOCAL_BASE_IMAGE` in place of a Debian
    image. Otherwise pulls `official_image` from its registry or, if that fails for a Debian image, builds
    `LOCAL_BASE_IMAGE`. Raises UserError if no image can be pulled or built.
    """
    for local in (official_image, *([LOCAL_BASE_IMAGE] if is_debian_image(official_image) else [])):
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
        if not is_debian_image(official_image):
            raise UserError(
                f"the base image {official_image} cannot be pulled: no registry answers; check the network, or run "
                f"`docker pull {official_image}` to see the reason"
            ) from None
        log(f"no registry answers ({str(error)[:120]}); building the base image from Debian's packages")
    return build_debian_base_image(client, log)


def build_debian_base_image(client: docker.DockerClient, log: Log) -> str:
    """Builds a minimal Debian base image from Debian's packages in about 20 s; returns its name, `LOCAL_BASE_IMAGE`.

    Raises UserError if the tool mmdebstrap is not installed or fails.
    """
    if not shutil.which("mmdebstrap"):
        raise UserError(
            "the Debian base image can neither be pulled (no image registry answers) nor built (mmdebstrap is not "
            "installed); check the network, or run: apt-get install mmdebstrap"
        )
    command = ["mmdebstrap", "--variant=apt", "--include=ca-certificates", DEBIAN_SUITE, "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        archive = process.stdout.read()
        messages = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise UserError(
            f"building a Debian base image with mmdebstrap failed ({messages.strip()[-300:]}); check the network and "
            "the package sources of apt"
        )
    repository, _, tag = LOCAL_BASE_IMAGE.partition(":")
    client.api.import_image_from_data(archive, repository=repository, tag=tag)
    log(f"built {LOCAL_BASE_IMAGE} from Debian {DEBIAN_SUITE} packages")
    return LOCAL_BASE_IMAGE
