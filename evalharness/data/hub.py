"""Brings benchmark data from where it is published: the Hugging Face hub, or the evalplus package's release files.

Only data are read, never code: no dataset scripts, no pickles.
"""

import contextlib
import io
import logging
import os
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalharness.data.cards import EvalPlusSource, HubSource
from evalharness.data.files import Record, read_records
from evalharness.errors import UserError
from evalharness.util.text import shortened

ANSWER_S = 10.0
"""How long the hub may take to answer at all."""
STALL_S = 60.0
"""How long a download may stand still."""

OR_DATA = ", or use --data DIR"
"""The other way out, for whoever wants to read the data; `evalharness data pull` has no such option."""


def hub_records(source: HubSource) -> list[Record]:
    """All rows of the source's splits. Raises UserError where the hub does not give them.

    A hub that does not answer is noticed at once, rather than after the library's retries; then only a copy of the
    data that the library has kept from before will do.
    """
    if Path(source.repo).exists():
        raise UserError(f"the folder {source.repo} hides the hub's data set of that name; run from another folder")
    import datasets

    with _asking(source) as silent:
        rows = datasets.load_dataset(
            source.repo,
            source.config,
            data_dir=source.folder,
            split="+".join(source.splits),
            revision=source.revision,
        )
        _check_kept(rows, source.revision if silent else None)
        return [dict(row) for row in rows.to_list()]


def hub_files(source: HubSource) -> list[Path]:
    """The source's files, where the library keeps them. Raises UserError as `hub_records` does.

    For data sets that come with a script to load them, which is not run.
    """
    from huggingface_hub import hf_hub_download

    with _asking(source) as silent:
        return [
            Path(
                hf_hub_download(
                    source.repo, name, repo_type="dataset", revision=source.revision, local_files_only=bool(silent)
                )
            )
            for name in source.files
        ]


@contextlib.contextmanager
def _asking(source: HubSource) -> Iterator[str]:
    """Gives why the hub does not answer, if so: then the libraries look in their caches alone."""
    silent = _silence(source)
    try:
        with _quiet(), _offline() if silent else contextlib.nullcontext():
            yield silent
    except Exception as error:  # the libraries' errors have no common class
        reason = silent or _one_line(error)
        raise UserError(
            f"the hub does not give {source.repo} ({reason}); check the network, HF_ENDPOINT and HF_HUB_OFFLINE"
            f"{OR_DATA}"
        ) from error


def evalplus_records(source: EvalPlusSource) -> list[Record]:
    """The records of a release file, kept in the evalplus package's cache. Raises UserError where it cannot be had.

    Inputs are as the file has them: see `evalplus.data.mbpp.mbpp_deserialize_inputs` for those of MBPP+.
    """
    from evalplus.data import utils

    url, name = utils.get_dataset_metadata(
        source.name, source.version, source.variant == "mini", source.variant == "noextreme"
    )
    cached = Path(name)
    if not cached.exists():
        _download(url, cached)
    return read_records(cached)


def _download(url: str, path: Path) -> None:
    """Fills the evalplus package's cache by its own means, but never with half a file."""
    from evalplus.data import utils

    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with contextlib.redirect_stdout(io.StringIO()), _socket_timeout(STALL_S):
            utils.make_cache(url, str(part))
        part.replace(path)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{url} cannot be downloaded ({_one_line(error)}); check the network{OR_DATA}") from error
    finally:
        part.unlink(missing_ok=True)


def _silence(source: HubSource) -> str:
    """Empty if the hub answers, whatever it says; else why it does not."""
    from huggingface_hub import constants, get_session

    revision = source.revision or "main"
    try:
        get_session().head(
            f"{constants.ENDPOINT}/datasets/{source.repo}/resolve/{revision}/README.md", timeout=ANSWER_S
        )
    except Exception as error:  # the session is of one HTTP library or another, by the version of huggingface_hub
        return _one_line(error)
    return ""


def _check_kept(rows: Any, revision: str | None) -> None:
    """Without the hub the library takes whichever revision it has kept last, in a folder named after it."""
    if revision and not all(revision in kept["filename"] for kept in rows.cache_files):
        raise LookupError(f"the copy kept from before is not of revision {revision}")


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Makes the library look in its cache alone."""
    import datasets
    from huggingface_hub import constants

    places: list[Any] = [datasets.config, constants]
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, and no warnings about retries: what matters is in the error."""
    import datasets

    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            datasets.enable_progress_bars()


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """The evalplus package's downloader has no time limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _one_line(error: BaseException) -> str:
    """The error and what is at the bottom of it, on one line of bearable length."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    shown = [f"{type(each).__name__}: {shortened(str(each), 150)}" for each in (error, root)]
    return "; ".join(dict.fromkeys(shown))
