"""How the outputs of calls travel: in pieces, with facts about them, and as which oracle needs them."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import codec

CHUNK = 4096
"""Elements of a long list or tuple that are encoded at a time."""

Facts = tuple[float, bool, bool, bool]
FACTS = struct.Struct("!d???")
"""Facts of a trusted program's output: CPU seconds of the call; whether it is floats; whether it is empty; whether
equal bytes mean an equal value, as they do for plain values without a NaN."""

ORACLES_WITH_INPUT = frozenset({"polynomial_root", "pyramid_surface", "padded_digits"})
"""Oracles that also need the arguments as the call left them."""
ORACLES_WITH_VALUE = ORACLES_WITH_INPUT | {"as_sets"}
"""Oracles that need the output itself, whatever its size: equal bytes do not decide."""


def is_floats(value: Any) -> bool:
    """Returns whether the expected value is a float, or a non-empty list or tuple of floats."""
    if isinstance(value, float):
        return True
    if isinstance(value, list | tuple) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, np.ndarray) and value.dtype in (np.float64, np.float32)


def is_empty(value: Any) -> bool:
    """Returns whether the expected value is an empty list or tuple, which edition 0.2 treats as floats."""
    return isinstance(value, list | tuple) and not value


def pieces_of(value: Any) -> Iterator[bytes]:
    """Yields the encoded value in pieces: for a long list or tuple its type and length, then its elements in slices."""
    if type(value) in (list, tuple) and len(value) > CHUNK:
        yield codec.encode((type(value).__name__, len(value)))
        for start in range(0, len(value), CHUNK):
            yield codec.encode(list(value[start : start + CHUNK]))
    else:
        yield codec.encode(None)
        yield codec.encode(value)


def value_of(pieces: list[bytes]) -> Any:
    """Returns the value of the pieces that `pieces_of` gave. Raises ValueError for too many values."""
    header = codec.decode(pieces[0])
    if header is None:
        return codec.decode(pieces[1])
    items: list[Any] = []
    for piece in pieces[1:]:
        items += codec.decode(piece)
        if len(items) > codec.MOST:
            raise ValueError("too many values")
    return tuple(items) if header[0] == "tuple" else items
