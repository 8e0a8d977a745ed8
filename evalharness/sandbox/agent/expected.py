"""The expected outputs of one group of inputs, as the host keeps them: small values whole, large ones as digests."""

import struct
from collections.abc import Callable
from typing import Any

from . import codec, wire

Facts = tuple[float, bool, bool, bool]
FACTS = struct.Struct("!d???")
"""What a trusted process says of an output: CPU seconds of the call; whether it is floats; whether it is empty; whether
equal bytes mean an equal value, which they do for plain values without a NaN."""


def pack(facts: list[Facts], small: list[bytes | None], digests: list[bytes | None]) -> bytes:
    """The bytes that the host keeps and hands back. All lists have one item per input."""
    return wire.dumps((facts, small, digests))


class Expected:
    """Expected outputs by index. `recompute(index, seconds it took)` gives the pieces of a large one, anew."""

    def __init__(self, data: bytes, recompute: Callable[[int, float], list[bytes]]):
        self.facts, self.small, self.digests = wire.loads(data)
        self.recompute = recompute

    def __len__(self) -> int:
        return len(self.facts)

    def times(self) -> list[float]:
        """CPU seconds that the reference needed for each call."""
        return [facts[0] for facts in self.facts]

    def are_small(self) -> bool:
        """Whether none of them is so large that encoding it takes time."""
        return None not in self.small

    def kind(self, index: int) -> tuple[bool, bool]:
        """Whether the output is floats, and whether it is an empty list or tuple."""
        return self.facts[index][1], self.facts[index][2]

    def same_bytes(self, index: int, kind: bytes, payload: bytes) -> bool:
        """Whether the output is surely equal: the same bytes, or digest, of a value that they decide about."""
        if not self.facts[index][3]:
            return False
        return bool(payload == (self.small[index] if kind == b"o" else self.digests[index]))

    def pieces(self, index: int) -> list[bytes]:
        """The expected output as `sample.chunks` gives it."""
        small = self.small[index]
        return self.recompute(index, self.times()[index]) if small is None else [codec.encode(None), small]


def value_of(pieces: list[bytes]) -> Any:
    """The value of a header and the pieces that follow it. Raises ValueError for pieces that are too many."""
    header = codec.decode(pieces[0])
    if header is None:
        return codec.decode(pieces[1])
    items: list[Any] = []
    for piece in pieces[1:]:
        items += codec.decode(piece)
        if len(items) > codec.MOST:
            raise ValueError("too many values")
    return tuple(items) if header[0] == "tuple" else items
