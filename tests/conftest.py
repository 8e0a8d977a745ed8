"""Fixtures that several test files use."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Without it, litellm asks for its list of prices at import, and retries where there is no network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
# A property test on a busy machine is slow, not wrong.
hypothesis.settings.register_profile("no-deadline", deadline=None)
hypothesis.settings.load_profile("no-deadline")

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def datasets_dir() -> Path:
    """The folder of the real benchmark data; the test is skipped if it does not exist."""
    named = os.environ.get("EVALHARNESS_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "datasets"
    if not folder.is_dir():
        pytest.skip("the real benchmark data are not here; set EVALHARNESS_DATA")
    return folder


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A container engine with Python's image, and outputs kept for the session; without one the test fails."""
    from evalharness.sandbox.engines import images, rootfs
    from evalharness.sandbox.engines.docker import connect_to_engine

    client = connect_to_engine()
    images.build_image(client, "python", print)
    client.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALHARNESS_ROOTFS", str(rootfs.rootfs_folder("python").parent))  # large, and the same for all
        patch.setenv("EVALHARNESS_CACHE", str(tmp_path_factory.mktemp("references")))
        yield


@pytest.fixture(scope="session")
def command() -> Command:
    """Runs the installed `evalharness` command with these arguments, in its own process."""
    program = Path(sys.executable).with_name("evalharness")

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        words = [str(program), *map(str, arguments)]
        # Not the C library's environment, where readline, which pytest imports, sets COLUMNS.
        return subprocess.run(words, capture_output=True, text=True, timeout=600, env=dict(os.environ))

    return run


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The same within this process, which saves the time of a start."""
    from evalharness.cli.main import main

    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        words = [str(argument) for argument in arguments]
        capsys.readouterr()
        try:
            main(words)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    from helpers.browser import chromium

    with chromium() as program:
        yield program
