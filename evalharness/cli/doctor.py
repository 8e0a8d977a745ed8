"""What this machine has and lacks, one line each."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalharness.errors import UserError


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `needed`: nothing runs without it."""

    good: bool
    text: str
    needed: bool = True


def findings() -> Iterator[Finding]:
    """Looks at everything that a run depends on."""
    yield Finding(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]} (3.11 or newer)")
    for package in ("torch", "transformers", "datasets", "evalplus"):
        found = importlib.util.find_spec(package) is not None
        yield Finding(found, f"package {package}" + ("" if found else " is not installed; run: make setup"))
    yield from _engine()
    yield from _data()


def _engine() -> Iterator[Finding]:
    from evalharness.sandbox.engines import docker as docker_engine
    from evalharness.sandbox.engines import images

    try:
        client = docker_engine.connect()
    except UserError as error:
        yield Finding(False, str(error))
        return
    yield Finding(True, f"container engine {client.version().get('Version', '')}")
    found = dict(images.built_images(client))
    for name in found:
        if found[name]:
            yield Finding(True, f"sandbox image {name}")
    if lacking := [name for name in found if not found[name]]:
        hint = "built on first use, or by: evalharness sandbox build NAME"
        yield Finding(False, f"sandbox images not built yet: {', '.join(lacking)}; {hint}", needed=False)
    yield Finding(
        shutil.which("mmdebstrap") is not None,
        "mmdebstrap, which makes images where no registry answers (apt-get install mmdebstrap)",
        needed=False,
    )


def _data() -> Iterator[Finding]:
    folder = os.environ.get("EVALHARNESS_DATA")
    if not folder:
        yield Finding(False, "EVALHARNESS_DATA is not set: data come from the hub, or use --data sample", needed=False)
        return
    lack = _lack(Path(folder).expanduser())
    todo = f" {lack}; evalharness data pull --dir {folder}" if lack else ""
    yield Finding(not lack, f"benchmark data in EVALHARNESS_DATA={folder}{todo}")


def _lack(folder: Path) -> str:
    """What keeps the folder from holding data; empty if nothing does."""
    if not folder.is_dir():
        return "is no folder"
    return "" if any(folder.iterdir()) else "is empty"
