"""Stored expected outputs of one group of inputs: small values whole, large ones as digests."""

from collections.abc import Callable

from ...shared import codec, wire
from ...shared.outputs import Facts


def pack(facts: list[Facts], small: list[bytes | None], digests: list[bytes | None]) -> bytes:
    """Returns expected outputs as bytes for storage. All lists have one item per input."""
    return wire.dumps((facts, small, digests))


class Expected:
    """Expected outputs of one group of inputs, by index.

    `recompute(index, seconds of the first run)` returns the pieces of a large output, of which only a digest is stored.
    """

    def __init__(self, data: bytes, recompute: Callable[[int, float], list[bytes]]):
        self.facts, self.small, self.digests = wire.loads(data)
        self.recompute = recompute

    def __len__(self) -> int:
        return len(self.facts)

    def times(self) -> list[float]:
        """Returns the CPU seconds that the reference solution needed for each call."""
        return [facts[0] for facts in self.facts]

    def are_small(self) -> bool:
        """Returns whether all outputs are small enough to be stored whole."""
        return None not in self.small

    def kind(self, index: int) -> tuple[bool, bool]:
        """Returns whether an expected output consists of floats, and whether it is an empty list or tuple."""
        return self.facts[index][1], self.facts[index][2]

    def same_bytes(self, index: int, kind: bytes, payload: bytes) -> bool:
        """Returns whether an output has the expected bytes or digest, if these imply an equal value."""
        if not self.facts[index][3]:
            return False
        return bool(payload == (self.small[index] if kind == b"o" else self.digests[index]))

    def pieces(self, index: int) -> list[bytes]:
        """Returns an expected output in encoded pieces (see `shared.outputs.pieces_of`)."""
        small = self.small[index]
        return self.recompute(index, self.times()[index]) if small is None else [codec.encode(None), small]
