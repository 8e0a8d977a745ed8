"""Loads data from the Hugging Face hub: rows of a data set, or its files. No code of a data set runs."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalharness.data.cards.version_schema import HubSource
from evalharness.data.files import Record
from evalharness.errors import UserError
from evalharness.util.text import shortened

HUB_TIMEOUT_S = 10.0
"""Seconds within which the hub must answer a first request."""

DATA_OPTION_HINT = ", or use --data DIR"
"""The end of error messages for commands that read data. `evalharness data pull` has no such option."""


def load_hub_records(source: HubSource) -> list[Record]:
    """Returns the rows of a data set on the Hugging Face hub. Raises UserError if they cannot be loaded.

    If the hub does not respond to a first request, only the cache of the `datasets` library is used, because the
    library's own retries would take long.
    """
    if Path(source.repo).exists():
        raise UserError(
            f"the local folder {source.repo} would be loaded instead of the hub's data set of that name; run the "
            "command in another folder"
        )
    import datasets

    with _offline_if_unreachable(source) as is_offline:
        rows = datasets.load_dataset(
            source.repo,
            source.config,
            data_dir=source.folder,
            split="+".join(source.splits),
            revision=source.revision,
        )
        _check_cached_revision(rows, source.revision if is_offline else None)
        return [dict(row) for row in rows.to_list()]


def download_hub_files(source: HubSource) -> list[Path]:
    """Downloads files of a hub data set, unless they are in the local cache, and returns their local paths.

    Used for data sets that would otherwise need their loading script; no such script is executed. Raises UserError if
    a file is not available.
    """
    from huggingface_hub import hf_hub_download

    with _offline_if_unreachable(source) as is_offline:
        return [
            Path(
                hf_hub_download(
                    source.repo, name, repo_type="dataset", revision=source.revision, local_files_only=is_offline
                )
            )
            for name in source.files
        ]


@contextlib.contextmanager
def _offline_if_unreachable(source: HubSource) -> Iterator[bool]:
    """A context manager for loading from the hub: if the hub does not respond, its libraries use only their caches.

    Yields whether they are offline. Any exception in the `with` block becomes a UserError.
    """
    unreachable_reason = _hub_unreachable_reason(source)
    try:
        with _without_progress_bars(), _without_network() if unreachable_reason else contextlib.nullcontext():
            yield bool(unreachable_reason)
    except Exception as error:  # The libraries' errors have no common class.
        reason = unreachable_reason or describe_error_with_cause(error)
        raise UserError(
            f"the Hugging Face hub does not provide {source.repo} ({reason}); check the network, $HF_ENDPOINT and "
            f"$HF_HUB_OFFLINE{DATA_OPTION_HINT}"
        ) from error


def _hub_unreachable_reason(source: HubSource) -> str:
    """Returns why the Hugging Face hub does not respond; "" if it responds, with any HTTP status."""
    from huggingface_hub import constants, get_session

    revision = source.revision or "main"
    try:
        get_session().head(
            f"{constants.ENDPOINT}/datasets/{source.repo}/resolve/{revision}/README.md", timeout=HUB_TIMEOUT_S
        )
    except Exception as error:  # The HTTP library, and so the class, depends on huggingface_hub's version.
        return describe_error_with_cause(error)
    return ""


def _check_cached_revision(rows: Any, revision: str | None) -> None:
    """Raises LookupError if rows that were loaded from the cache are not of the data set's `revision`.

    Without the network, the library loads the latest revision in its cache. A `revision` of None accepts any.
    """
    if revision and not all(revision in file["filename"] for file in rows.cache_files):
        raise LookupError(
            f"the local Hugging Face cache has no copy of revision {revision}; connect to the network to download it"
        )


@contextlib.contextmanager
def _without_network() -> Iterator[None]:
    """Makes `datasets` and `huggingface_hub` use only their caches during the `with` block."""
    import datasets
    from huggingface_hub import constants

    modules: list[Any] = [datasets.config, constants]
    previous = [module.HF_HUB_OFFLINE for module in modules]
    try:
        for module in modules:
            module.HF_HUB_OFFLINE = True
        yield
    finally:
        for module, value in zip(modules, previous, strict=True):
            module.HF_HUB_OFFLINE = value


@contextlib.contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Turns off the hub libraries' progress bars and retry warnings during the `with` block."""
    import datasets

    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    had_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if had_bars:
            datasets.enable_progress_bars()


def describe_error_with_cause(error: BaseException) -> str:
    """Returns one line of text about an exception and its root cause, each shortened to 150 characters."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    messages = [f"{type(item).__name__}: {shortened(str(item), 150)}" for item in (error, root)]
    return "; ".join(dict.fromkeys(messages))
