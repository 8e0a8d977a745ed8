"""Encodes the outputs of calls for transport: in pieces, with facts such as whether an output consists of floats."""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import codec

CHUNK_ELEMENTS = 4096
"""Elements of a long list or tuple that are encoded at a time."""

OutputFacts = tuple[float, bool, bool, bool]
FACTS = struct.Struct("!d???")
"""Encoding of the facts of a reference's output: CPU seconds of the call; whether it is floats; whether it is empty;
whether equal bytes mean an equal value, as they do for plain values without a NaN.
"""


class MalformedPieces(ValueError):
    """Raised for pieces of an encoded output that `encode_in_pieces` never returns."""


ORACLES_WITH_INPUT = frozenset({"polynomial_root", "pyramid_surface", "padded_digits"})
"""Oracles (special comparison rules) that also need the arguments as the call left them."""
ORACLES_WITH_VALUE = ORACLES_WITH_INPUT | {"as_sets"}
"""Oracles that need the output itself, whatever its size: equal bytes do not decide."""


def consists_of_floats(value: Any) -> bool:
    """Returns whether a value is a float, a non-empty list or tuple of floats, or a NumPy array of floats."""
    if isinstance(value, float):
        return True
    if isinstance(value, list | tuple) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, np.ndarray) and value.dtype in (np.float64, np.float32)


def is_empty_sequence(value: Any) -> bool:
    """Returns whether a value is an empty list or tuple, which EvalPlus 0.2 treats as floats."""
    return isinstance(value, list | tuple) and not value


def encode_in_pieces(value: Any) -> Iterator[bytes]:
    """Yields a value as several encoded pieces (byte strings), each of which `codec.decode` can decode.

    The first piece of a long list or tuple contains its type and length, and each other piece up to `CHUNK_ELEMENTS`
    elements. Any other value has two pieces: None, then the whole value.
    """
    if type(value) in (list, tuple) and len(value) > CHUNK_ELEMENTS:
        yield codec.encode((type(value).__name__, len(value)))
        for start in range(0, len(value), CHUNK_ELEMENTS):
            yield codec.encode(list(value[start : start + CHUNK_ELEMENTS]))
    else:
        yield codec.encode(None)
        yield codec.encode(value)


def digest_of_pieces(pieces: Iterable[bytes]) -> bytes:
    """Returns the digest of a value from its encoded pieces. Values with equal pieces have equal digests."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(struct.pack("!I", len(piece)) + piece)
    return digest.digest()


def decode_pieces(pieces: list[bytes]) -> Any:
    """Returns the value that `encode_in_pieces` encoded in these pieces.

    Raises MalformedPieces if the number or the sizes of the pieces differ from what the first piece states, and
    ValueError for too many elements.
    """
    header = codec.decode(pieces[0]) if pieces else 0
    if header is None:
        if len(pieces) != 2:
            raise MalformedPieces(f"an output that fits into one piece was sent in {len(pieces) - 1} pieces")
        return codec.decode(pieces[1])
    kind, length = parse_first_piece(header, len(pieces) - 1)
    if length > codec.MAX_VALUES:
        raise ValueError(f"an output has {length} elements, more than the limit of {codec.MAX_VALUES}")
    items: list[Any] = []
    for piece in pieces[1:]:
        items += decode_piece(piece, min(CHUNK_ELEMENTS, length - len(items)))
    return tuple(items) if kind == "tuple" else items


class SequenceHeader(NamedTuple):
    """The first piece of a long list or tuple: the name of its type and its number of elements."""

    type_name: str
    length: int


def parse_first_piece(first_piece: Any, other_piece_count: int) -> SequenceHeader:
    """Returns type and length of a long list or tuple from its decoded first piece.

    `other_piece_count` is the number of its other pieces. Raises MalformedPieces if that number is wrong or
    `first_piece` is not the first piece of a long list or tuple.
    """
    match first_piece:
        case ("list" | "tuple" as kind, int(length)) if type(length) is int and length > CHUNK_ELEMENTS:
            right_count = -(-length // CHUNK_ELEMENTS)
            if other_piece_count == right_count:
                return SequenceHeader(kind, length)
            raise MalformedPieces(
                f"a {kind} of {length} elements was sent in {other_piece_count} pieces instead of {right_count}"
            )
    raise MalformedPieces(
        "the first piece of an output sent in pieces does not state the type and length of a list or tuple"
    )


def decode_piece(piece: bytes, element_count: int) -> list[Any]:
    """Returns the elements in one piece of a long list or tuple.

    Raises MalformedPieces if the piece is not a list of `element_count` elements.
    """
    items = codec.decode(piece)
    if type(items) is not list or len(items) != element_count:
        raise MalformedPieces(f"a piece of a long output is not a list of {element_count} elements")
    return items
