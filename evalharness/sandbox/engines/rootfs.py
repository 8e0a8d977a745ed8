"""Root file systems of sandbox images as plain folders, for the engine bubblewrap.

A machine with a container engine exports them, one folder per image; the folders can be copied to other machines. The
agent's files in them are not used: those of the installed package are mounted over them.
"""

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TypedDict, cast

from evalharness.errors import UserError
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.base_images import Log
from evalharness.sandbox.engines.docker import connect_to_engine
from evalharness.sandbox.references import cache_folder

SETTINGS_FILE = "evalharness.json"
"""The file in a root file system with the image's environment, entry point and id."""


class ImageSettings(TypedDict):
    """The settings of a Docker image that are not part of its file system; the content of `SETTINGS_FILE`."""

    id: str
    environment: list[str]
    """Environment variables, each as NAME=VALUE."""
    entrypoint: list[str]


def rootfs_folder(image: str) -> Path:
    """Returns the folder for a sandbox image's root file system.

    It is in the folder `$EVALHARNESS_ROOTFS` or, if that is not set, in the harness's cache folder.
    """
    chosen = os.environ.get("EVALHARNESS_ROOTFS")
    parent = Path(chosen) if chosen else cache_folder() / "rootfs"
    return parent / images.name_with_software_digest(image)


def read_image_settings(folder: Path) -> ImageSettings:
    """Returns the settings of the Docker image whose root file system is in `folder`."""
    return cast(ImageSettings, json.loads((folder / SETTINGS_FILE).read_text()))


def ensure_rootfs(image: str, log: Log) -> Path:
    """Exports a sandbox image's root file system from Docker unless it exists; returns its folder.

    Raises UserError if it does not exist and no container engine answers.
    """
    folder = rootfs_folder(image)
    if (folder / SETTINGS_FILE).exists():
        return folder
    try:
        client = connect_to_engine()
    except UserError:
        raise UserError(
            f"there is no root file system of image {image!r} at {folder}; on a machine with Docker, run `evalharness "
            f"sandbox build {image} --sandbox bubblewrap`, and copy the folder that it creates to this path (to use "
            "another parent folder, set EVALHARNESS_ROOTFS)"
        ) from None
    identity = images.build_image(client, image, log)
    log(f"exporting the root file system of image {image} to {folder}")
    config = client.images.get(identity).attrs["Config"]
    container = client.api.create_container(identity)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
    try:
        _extract_tar_archive(client.api.export(container["Id"]), unfinished)
        settings = ImageSettings(id=identity, environment=config["Env"], entrypoint=config["Entrypoint"])
        (unfinished / SETTINGS_FILE).write_text(json.dumps(settings))
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError as error:
        raise UserError(
            f"cannot export sandbox image {image!r} to {folder}: {error.strerror}; set EVALHARNESS_ROOTFS to a "
            "writable folder"
        ) from None
    finally:
        client.api.remove_container(container["Id"])
        shutil.rmtree(unfinished, ignore_errors=True)
        client.close()
    return folder


def remove_old_root_file_systems() -> int:
    """Removes the root file systems of earlier sandbox images; returns the number of removed ones."""
    current = {rootfs_folder(name) for name in images.image_names()}
    parent = next(iter(current)).parent
    old = [path for path in parent.glob("*") if path.is_dir() and path not in current]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


def _extract_tar_archive(chunks: Iterable[bytes], folder: Path) -> None:
    with tempfile.TemporaryFile() as archive:
        for chunk in chunks:
            archive.write(chunk)
        archive.seek(0)
        with tarfile.open(fileobj=cast(IO[bytes], archive)) as tar:
            for member in tar:
                if not member.isdev():
                    member.mode |= 0o400 if member.isfile() else 0o700
                    tar.extract(member, folder, filter="tar")
