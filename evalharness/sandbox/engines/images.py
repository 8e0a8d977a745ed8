"""Builds the images that samples run in, one per folder under sandboxes/, with or without a registry."""

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from evalharness.errors import UserError
from evalharness.util.paths import bundled
from evalharness.util.suggest import unknown_name

AGENT = Path(__file__).parents[1] / "agent"
SUITE = "bookworm"
LOCAL_BASE = f"evalharness/base:{SUITE}"
"""The base made from Debian's packages where no registry answers."""

DEFAULT = ("python", "cpp", "java", "js", "php", "sh", "ts")
"""What `evalharness sandbox build` builds: Python, and the six languages of the Mercury paper's MultiPL-E."""
LABEL = "evalharness"
OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")

Log = Callable[[str], None]


def image_names() -> list[str]:
    """Names of all images that there is a folder for."""
    return sorted(path.parent.name for path in bundled("sandboxes").glob("*/Dockerfile"))


def image_folder(name: str) -> Path:
    """The folder of an image. Raises UserError for an unknown name."""
    if name not in image_names():
        raise UserError(unknown_name("sandbox image", name, image_names()))
    return bundled("sandboxes") / name


def build_context(name: str) -> dict[str, bytes]:
    """Path inside the build context to content: the image's folder, and the agent's as `agent`."""
    return _folder_files(name) | {f"agent/{path.name}": path.read_bytes() for path in sorted(AGENT.glob("*.py"))}


def _folder_files(name: str) -> dict[str, bytes]:
    folder = image_folder(name)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def image_tag(name: str) -> str:
    """The image's tag, which names its content: an unchanged folder gives an unchanged tag."""
    return f"evalharness/{name}:{_digest(build_context(name))}"


def folder_tag(name: str) -> str:
    """The same of what is installed in the image alone: without the agent, and what is told of the language."""
    files = _folder_files(name)
    return f"{name}-{_digest({place: content for place, content in files.items() if not place.endswith('.yaml')})}"


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for place, content in files.items():
        digest.update(f"{place}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def build(client: docker.DockerClient, name: str, log: Log, base: str | None = None) -> str:
    """Builds the image unless it is there already, and returns its id. `base` overrides the Dockerfile's own.

    Raises UserError with the end of the build's output where it fails.
    """
    tag = image_tag(name)
    try:
        return str(client.images.get(tag).id)
    except ImageNotFound:
        pass
    base = base or _base(client, name, log)
    started = time.monotonic()
    log(f"building {tag} on {base}")
    try:
        for event in client.api.build(
            fileobj=_packed(build_context(name)),
            custom_context=True,
            tag=tag,
            buildargs={"BASE": base, **_certificates(name)},
            network_mode="host",
            rm=True,
            forcerm=True,
            labels={LABEL: "image"},
            decode=True,
        ):
            _follow(name, event, log)
    except APIError as error:
        raise UserError(f"building sandbox image {name!r} failed: {str(error)[-600:]}") from None
    image = client.images.get(tag)
    log(f"built {tag}: {image.attrs['Size'] / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")
    return str(image.id)


def _packed(files: dict[str, bytes]) -> io.BytesIO:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for place, content in files.items():
            entry = tarfile.TarInfo(place)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    context.seek(0)
    return context


def _follow(name: str, event: dict[str, Any], log: Log) -> None:
    """Tells of a step of the build. Raises UserError for one that failed."""
    if "error" in event:
        raise UserError(f"building sandbox image {name!r} failed: {' '.join(str(event['error']).split())[-600:]}")
    said = str(event.get("stream", "")).strip()
    if said.startswith("Step "):
        log(f"  {said[:100]}")


def _certificates(name: str) -> dict[str, str]:
    """For an image that asks for them: the certificates that this machine trusts besides Debian's, for pip and npm."""
    if "ARG CA_CERTIFICATES" not in (image_folder(name) / "Dockerfile").read_text():
        return {}
    own = sorted(OWN_CERTIFICATES.glob("*.crt"))
    return {"CA_CERTIFICATES": "\n".join(path.read_text() for path in own)}


def needs_registry(name: str) -> bool:
    """Whether the image can only be built on one from a registry: its base is not Debian's."""
    return not _official_base(name).startswith("debian:")


def is_built(name: str) -> bool:
    """Whether the engine has the image."""
    return next((image is not None for known, image in built_images(docker.from_env()) if known == name), False)


def remove_old(client: docker.DockerClient) -> int:
    """Removes images of earlier versions of the folders, and returns how many there were."""
    current = {image_tag(name) for name in image_names()}
    old = [tag for image in client.images.list(filters={"label": f"{LABEL}=image"}) for tag in image.tags]
    old = [tag for tag in old if tag not in current]
    for tag in old:
        client.images.remove(tag, force=True)
    return len(old)


def _official_base(name: str) -> str:
    dockerfile = image_folder(name) / "Dockerfile"
    found = re.search(r"^ARG BASE=(\S+)", dockerfile.read_text(), re.MULTILINE)
    if not found:
        raise UserError(f"{dockerfile} names no base; it must have a line `ARG BASE=IMAGE`")
    return found.group(1)


def _base(client: docker.DockerClient, name: str, log: Log) -> str:
    official = _official_base(name)
    for local in (official, *([] if needs_registry(name) else [LOCAL_BASE])):
        try:
            client.images.get(local)
            return local
        except ImageNotFound:
            pass
    try:
        log(f"pulling {official}")
        client.images.pull(official)
        return official
    except (APIError, DockerException) as error:
        if needs_registry(name):
            raise UserError(f"sandbox image {name!r} needs {official} from a registry, and none answers") from None
        log(f"no registry answers ({str(error)[:120]}); making the base from Debian's packages")
    return debian_base(client, log)


def debian_base(client: docker.DockerClient, log: Log) -> str:
    """Makes a minimal Debian image with mmdebstrap, about 20 s, and returns its name."""
    if not shutil.which("mmdebstrap"):
        raise UserError("no image registry answers and mmdebstrap is missing; install it: apt-get install mmdebstrap")
    command = ["mmdebstrap", "--variant=apt", "--include=ca-certificates", SUITE, "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        archive = process.stdout.read()
        messages = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise UserError(f"mmdebstrap failed: {messages.strip()[-300:]}")
    repository, _, tag = LOCAL_BASE.partition(":")
    client.api.import_image_from_data(archive, repository=repository, tag=tag)
    log(f"made {LOCAL_BASE} from Debian {SUITE} packages")
    return LOCAL_BASE


def built_images(client: docker.DockerClient) -> Iterator[tuple[str, str | None]]:
    """Every image's name with its id, or None where it is not built."""
    for name in image_names():
        try:
            yield name, str(client.images.get(image_tag(name)).id)
        except ImageNotFound:
            yield name, None
