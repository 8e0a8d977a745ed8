"""Builds the sandbox images in which samples run, one per folder of sandboxes/."""

import hashlib
import io
import re
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound

from evalharness.errors import UserError
from evalharness.sandbox.engines.base_images import Log, find_base_image, is_debian_image
from evalharness.util.paths import bundled_folder
from evalharness.util.suggest import unknown_name_message

AGENT_FOLDER = Path(__file__).parents[1] / "agent"
DOCKERFILE = "Dockerfile"
DOCKERFILE_END = """\
COPY agent /opt/evalharness/agent
RUN python3 -m compileall -q /opt/evalharness
WORKDIR /tmp
ENTRYPOINT ["python3", "-s", "-c", "import sys, runpy; sys.path.insert(0, '/opt/evalharness'); \
runpy.run_module('agent', run_name='__main__')"]
"""
"""The last instructions of every sandbox image's Dockerfile, which install and start the agent."""
DEFAULT = ("python", "cpp", "java", "js", "php", "sh", "ts")
"""The sandbox images that `evalharness sandbox build` builds by default: Python, and the six languages of the Mercury
paper.
"""
LABEL = "evalharness"
LOCAL_CERTIFICATES = Path("/usr/local/share/ca-certificates")
"""Debian's folder of CA certificates that an administrator has added."""


def image_names() -> list[str]:
    """Returns the names of all sandbox images: the folders of `sandboxes/` that have a Dockerfile."""
    return sorted(path.parent.name for path in bundled_folder("sandboxes").glob(f"*/{DOCKERFILE}"))


def image_folder(image_name: str) -> Path:
    """Returns the folder with a sandbox image's Dockerfile. Raises UserError for an unknown name."""
    if image_name not in image_names():
        raise UserError(unknown_name_message("sandbox image", image_name, image_names()))
    return bundled_folder("sandboxes") / image_name


def build_context_files(image_name: str) -> dict[str, bytes]:
    """Returns {path: content} of the files from which Docker builds a sandbox image; `agent/` has the sandbox agent."""
    agent = {
        f"agent/{path.relative_to(AGENT_FOLDER)}": path.read_bytes() for path in sorted(AGENT_FOLDER.rglob("*.py"))
    }
    return _read_image_folder_files(image_name) | agent


def _read_image_folder_files(image_name: str) -> dict[str, bytes]:
    folder = image_folder(image_name)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return files | {DOCKERFILE: files[DOCKERFILE] + b"\n" + DOCKERFILE_END.encode()}


def image_tag(image_name: str) -> str:
    """Returns a sandbox image's tag, which contains a digest of its build context, including the agent."""
    return f"evalharness/{image_name}:{_digest_of_files(build_context_files(image_name))}"


def name_with_software_digest(image_name: str) -> str:
    """Returns "NAME-DIGEST" for a sandbox image, with a digest of the files that determine its installed software.

    These are the files of the image's folder except language.yaml. The agent's files are excluded, too.
    """
    files = _read_image_folder_files(image_name)
    software_files = {path: content for path, content in files.items() if not path.endswith(".yaml")}
    return f"{image_name}-{_digest_of_files(software_files)}"


def _digest_of_files(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, content in files.items():
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def build_image(client: docker.DockerClient, image_name: str, log: Log, base_image: str | None = None) -> str:
    """Builds a sandbox image unless it exists; returns its id.

    `base_image` is used in place of the base image that the Dockerfile names; `log` receives the build steps. Raises
    UserError with the end of Docker's output if the build fails.
    """
    tag = image_tag(image_name)
    try:
        return str(client.images.get(tag).id)
    except ImageNotFound:
        pass
    base_image = base_image or find_base_image(client, _official_base_image(image_name), log)
    started = time.monotonic()
    log(f"building {tag} on {base_image}")
    try:
        for event in client.api.build(
            fileobj=_make_tar_archive(build_context_files(image_name)),
            custom_context=True,
            tag=tag,
            buildargs={"BASE": base_image, **_certificate_build_arguments(image_name)},
            network_mode="host",
            rm=True,
            forcerm=True,
            labels={LABEL: "image"},
            decode=True,
        ):
            _log_build_event(image_name, event, log)
    except APIError as error:
        raise UserError(
            f"building sandbox image {image_name!r} failed ({str(error)[-600:]}); fix its Dockerfile, or check the "
            "network"
        ) from None
    image = client.images.get(tag)
    log(f"built {tag}: {image.attrs['Size'] / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")
    return str(image.id)


def _make_tar_archive(files: dict[str, bytes]) -> io.BytesIO:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    context.seek(0)
    return context


def _log_build_event(image_name: str, event: dict[str, Any], log: Log) -> None:
    """Logs an event of Docker's image build if it begins a step. Raises UserError if it reports an error."""
    if "error" in event:
        raise UserError(
            f"building sandbox image {image_name!r} failed ({' '.join(str(event['error']).split())[-600:]}); fix its "
            "Dockerfile, or check the network"
        )
    line = str(event.get("stream", "")).strip()
    if line.startswith("Step "):
        log(f"  {line[:100]}")


def _certificate_build_arguments(image_name: str) -> dict[str, str]:
    """Returns {"CA_CERTIFICATES": this machine's CA certificates}; {} if the Dockerfile does not use that argument."""
    if "ARG CA_CERTIFICATES" not in (image_folder(image_name) / DOCKERFILE).read_text():
        return {}
    local = sorted(LOCAL_CERTIFICATES.glob("*.crt"))
    return {"CA_CERTIFICATES": "\n".join(path.read_text() for path in local)}


def needs_image_registry(image_name: str) -> bool:
    """Returns whether building a sandbox image needs an image registry, because its base image is not Debian's."""
    return not is_debian_image(_official_base_image(image_name))


def is_image_built(image_name: str) -> bool:
    """Returns whether a sandbox image is built in the local container engine."""
    return next(
        (image is not None for known, image in sandbox_image_ids(docker.from_env()) if known == image_name), False
    )


def remove_old_images(client: docker.DockerClient) -> int:
    """Removes the sandbox images of earlier versions; returns the number of removed images."""
    current = {image_tag(name) for name in image_names()}
    old = [tag for image in client.images.list(filters={"label": f"{LABEL}=image"}) for tag in image.tags]
    old = [tag for tag in old if tag not in current]
    for tag in old:
        client.images.remove(tag, force=True)
    return len(old)


def _official_base_image(image_name: str) -> str:
    dockerfile = image_folder(image_name) / DOCKERFILE
    base = re.search(r"^ARG BASE=(\S+)", dockerfile.read_text(), re.MULTILINE)
    if not base:
        raise UserError(
            f"{dockerfile} has no line `ARG BASE=IMAGE`, which names the base image; add it before `FROM ${{BASE}}`"
        )
    return base.group(1)


def sandbox_image_ids(client: docker.DockerClient) -> Iterator[tuple[str, str | None]]:
    """Yields the name of each sandbox image with its id in the container engine, or None if the image is not built."""
    for name in image_names():
        try:
            yield name, str(client.images.get(image_tag(name)).id)
        except ImageNotFound:
            yield name, None
