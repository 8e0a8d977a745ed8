"""Loads the release files of EvalPlus through the evalplus package's download cache."""

import contextlib
import io
import os
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

from evalharness.data.cards.version_schema import EvalPlusSource
from evalharness.data.files import Record, read_records
from evalharness.data.hub import DATA_OPTION_HINT, describe_error_with_cause
from evalharness.errors import UserError

STALL_TIMEOUT_S = 60.0
"""Seconds without data after which a download fails. The evalplus package sets no limit."""


def load_evalplus_records(source: EvalPlusSource) -> list[Record]:
    """Returns the data records of an EvalPlus release, one per problem. The release is downloaded at its first use.

    In the inputs of MBPP+, tuples are lists; `adapters.mbpp_plus_inputs` restores such types. Raises UserError if the
    release is not available.
    """
    from evalplus.data import utils

    url, name = utils.get_dataset_metadata(
        source.name, source.version, source.variant == "mini", source.variant == "noextreme"
    )
    cached_file = Path(name)
    if not cached_file.exists():
        _download(url, cached_file)
    return read_records(cached_file)


def _download(url: str, path: Path) -> None:
    """Downloads an EvalPlus release to `path`, in the evalplus package's cache; leaves no incomplete file there."""
    from evalplus.data import utils

    partial_file = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with contextlib.redirect_stdout(io.StringIO()), _socket_timeout(STALL_TIMEOUT_S):
            utils.make_cache(url, str(partial_file))
        partial_file.replace(path)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UserError(
            f"{url} cannot be downloaded ({describe_error_with_cause(error)}); check the network{DATA_OPTION_HINT}"
        ) from error
    finally:
        partial_file.unlink(missing_ok=True)


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(previous)
