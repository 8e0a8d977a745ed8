"""The command `doctor`: checks this machine for what runs need, one line per check."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from evalharness.cli.common import ExitCode
from evalharness.cli.listing.machine import CheckResult, machine_check_results
from evalharness.errors import UserError
from evalharness.util.extras import EXTRAS, install_command, is_installed, missing_modules

PACKAGES = ("torch", "transformers", "datasets", "evalplus")


def doctor() -> None:
    """Checks this machine for missing software and data.

    Prints how to install what is missing. Exits 2 if something is missing that every run needs.
    """
    complete = True
    for finding in doctor_check_results():
        print(f"{finding.label:<8}{finding.text}", flush=True)
        complete = complete and (finding.ok or not finding.required)
    if not complete:
        raise typer.Exit(ExitCode.USER)


def doctor_check_results() -> Iterator[CheckResult]:
    """Yields the result of each check: Python, packages, extras, GPU, memory, disks, container engine, images, data."""
    yield CheckResult(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]} (3.11 or newer)")
    for package in PACKAGES:
        installed = is_installed(package)
        yield CheckResult(installed, f"package {package}" + ("" if installed else " is not installed; run: make setup"))
    yield from _check_extras()
    yield from machine_check_results()
    yield from _check_container_engine()
    yield from _check_data_sources()


def _check_extras() -> Iterator[CheckResult]:
    for extra in EXTRAS.values():
        missing = missing_modules(extra)
        hint = f" lacks {', '.join(missing)}; install with: {install_command(extra)}" if missing else ""
        yield CheckResult(not missing, f"extra {extra.name} ({extra.purpose}){hint}", required=False)


def _check_container_engine() -> Iterator[CheckResult]:
    from evalharness.sandbox.engines import docker as docker_engine
    from evalharness.sandbox.engines import images

    try:
        client = docker_engine.connect_to_engine()
    except UserError as error:
        yield CheckResult(False, str(error))
        return
    yield CheckResult(True, f"container engine {client.version().get('Version', '')}")
    states = dict(images.sandbox_image_ids(client))
    for name, image in states.items():
        if image:
            yield CheckResult(True, f"sandbox image {name}")
    if missing := [name for name, image in states.items() if not image]:
        hint = "they are built on first use, or by: evalharness sandbox build NAME"
        yield CheckResult(False, f"sandbox images not built yet: {', '.join(missing)}; {hint}", required=False)
    mmdebstrap = shutil.which("mmdebstrap") is not None
    hint = "" if mmdebstrap else "; install with: apt-get install mmdebstrap"
    yield CheckResult(mmdebstrap, f"mmdebstrap, which builds images without a registry{hint}", required=False)


def _check_data_sources() -> Iterator[CheckResult]:
    folder = os.environ.get("EVALHARNESS_DATA")
    if not folder:
        text = "EVALHARNESS_DATA is not set: runs download data from the hub, unless they use --data"
        yield CheckResult(False, text, required=False)
        return
    parts = [folder] if Path(folder).expanduser().is_dir() else folder.split(os.pathsep)
    for name in parts:
        problem = _why_folder_has_no_data(Path(name).expanduser())
        hint = f" {problem}; run: evalharness data pull --dir {name}" if problem else ""
        yield CheckResult(not problem, f"benchmark data in EVALHARNESS_DATA={name}{hint}")


def _why_folder_has_no_data(folder: Path) -> str:
    """Returns why a folder contains no data: "is not a folder" or "is empty"; otherwise ""."""
    if not folder.is_dir():
        return "is not a folder"
    return "" if any(folder.iterdir()) else "is empty"
