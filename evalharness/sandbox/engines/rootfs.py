"""Root file systems of images as plain folders, for machines where no container engine is allowed.

They are exported where there is an engine, and may be copied elsewhere: a folder for each image. The agent in them is
not used; that of this package takes its place.
"""

import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any, cast

from evalharness.errors import UserError
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.docker import connect
from evalharness.sandbox.references import cache_folder

SETTINGS = "evalharness.json"
"""In a root file system: environment and entry point of the image, and its id."""


def folder_of(image: str) -> Path:
    """Where the image's root file system belongs: `$EVALHARNESS_ROOTFS`, else in the cache."""
    place = os.environ.get("EVALHARNESS_ROOTFS")
    parent = Path(place) if place else cache_folder() / "rootfs"
    return parent / images.folder_tag(image)


def settings_of(folder: Path) -> dict[str, Any]:
    """What the root file system says of itself."""
    found: dict[str, Any] = json.loads((folder / SETTINGS).read_text())
    return found


def ensure(image: str, log: images.Log) -> Path:
    """The image's root file system, exported from a container engine unless it is there.

    Raises UserError, which says what to do, where it is not there and no engine answers.
    """
    folder = folder_of(image)
    if (folder / SETTINGS).exists():
        return folder
    try:
        client = connect()
    except UserError:
        raise UserError(
            f"there is no root file system of image {image!r} at {folder}; make it where there is a container engine: "
            f"`evalharness sandbox build {image} --sandbox bubblewrap`, and copy the folder here "
            "(EVALHARNESS_ROOTFS names the folder that holds them)"
        ) from None
    identity = images.build(client, image, log)
    log(f"exporting {image} to {folder}")
    config = client.images.get(identity).attrs["Config"]
    container = client.api.create_container(identity)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
    try:
        _unpack(client.api.export(container["Id"]), unfinished)
        kept = {"id": identity, "environment": config["Env"], "entrypoint": config["Entrypoint"]}
        (unfinished / SETTINGS).write_text(json.dumps(kept))
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from None
    finally:
        client.api.remove_container(container["Id"])
        shutil.rmtree(unfinished, ignore_errors=True)
        client.close()
    return folder


def remove_old() -> int:
    """Removes root file systems that no image has any more, and returns how many there were."""
    current = {folder_of(name) for name in images.image_names()}
    parent = next(iter(current)).parent
    old = [path for path in parent.glob("*") if path.is_dir() and path not in current]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


def _unpack(parts: Any, folder: Path) -> None:
    with tempfile.TemporaryFile() as archive:
        for part in parts:
            archive.write(part)
        archive.seek(0)
        with tarfile.open(fileobj=cast(IO[bytes], archive)) as tar:
            for member in tar:
                if not member.isdev():
                    member.mode |= 0o400 if member.isfile() else 0o700
                    tar.extract(member, folder, filter="tar")
