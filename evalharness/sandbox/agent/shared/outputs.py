"""Encodes the outputs of calls for transport: in pieces, with facts about them."""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from . import codec

CHUNK = 4096
"""Elements of a long list or tuple that are encoded at a time."""

Facts = tuple[float, bool, bool, bool]
FACTS = struct.Struct("!d???")
"""Encoding of the facts of a reference's output: CPU seconds of the call; whether it is floats; whether it is empty;
whether equal bytes mean an equal value, as they do for plain values without a NaN.
"""


class MalformedPieces(ValueError):
    """Pieces of an output that `pieces_of` does not produce."""


ORACLES_WITH_INPUT = frozenset({"polynomial_root", "pyramid_surface", "padded_digits"})
"""Oracles (special comparison rules) that also need the arguments as the call left them."""
ORACLES_WITH_VALUE = ORACLES_WITH_INPUT | {"as_sets"}
"""Oracles that need the output itself, whatever its size: equal bytes do not decide."""


def is_floats(value: Any) -> bool:
    """Returns whether an expected value is a float, or a non-empty list or tuple of floats."""
    if isinstance(value, float):
        return True
    if isinstance(value, list | tuple) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, np.ndarray) and value.dtype in (np.float64, np.float32)


def is_empty(value: Any) -> bool:
    """Returns whether an expected value is an empty list or tuple, which EvalPlus 0.2 treats as floats."""
    return isinstance(value, list | tuple) and not value


def pieces_of(value: Any) -> Iterator[bytes]:
    """Yields an output in encoded pieces of limited size.

    The first piece of a long list or tuple has its type and length, the others have slices of it.
    """
    if type(value) in (list, tuple) and len(value) > CHUNK:
        yield codec.encode((type(value).__name__, len(value)))
        for start in range(0, len(value), CHUNK):
            yield codec.encode(list(value[start : start + CHUNK]))
    else:
        yield codec.encode(None)
        yield codec.encode(value)


def digest_of(pieces: Iterable[bytes]) -> bytes:
    """Returns the digest of an output that is encoded in these pieces; equal outputs have equal digests."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(struct.pack("!I", len(piece)) + piece)
    return digest.digest()


def value_of(pieces: list[bytes]) -> Any:
    """Returns the output that was encoded in these pieces by `pieces_of`.

    Raises MalformedPieces if kind, number or sizes of the pieces are not those that the first one announces, and
    ValueError for too many values.
    """
    header = codec.decode(pieces[0]) if pieces else 0
    if header is None:
        if len(pieces) != 2:
            raise MalformedPieces(f"{len(pieces) - 1} pieces instead of one")
        return codec.decode(pieces[1])
    kind, length = parse_first_piece(header, len(pieces) - 1)
    if length > codec.MOST:
        raise ValueError("too many values")
    items: list[Any] = []
    for piece in pieces[1:]:
        items += items_of(piece, min(CHUNK, length - len(items)))
    return tuple(items) if kind == "tuple" else items


def parse_first_piece(header: Any, count: int) -> tuple[str, int]:
    """Returns type and length of a long list or tuple, from the first of its pieces. Raises MalformedPieces."""
    match header:
        case ("list" | "tuple" as kind, int(length)) if type(length) is int and length > CHUNK:
            if count == -(-length // CHUNK):
                return kind, length
            raise MalformedPieces(f"{count} pieces for {length} elements")
    raise MalformedPieces("pieces of something other than a long list or tuple")


def items_of(piece: bytes, count: int) -> list[Any]:
    """Returns the `count` elements in a piece. Raises MalformedPieces if it is not a list of that length."""
    items = codec.decode(piece)
    if type(items) is not list or len(items) != count:
        raise MalformedPieces(f"a piece that is not a list of {count} elements")
    return items
