"""Stored expected outputs of one group of inputs: small values whole, large ones as digests."""

from collections.abc import Callable

from ...shared import codec, wire
from ...shared.outputs import Facts


def pack_expected(facts: list[Facts], small: list[bytes | None], digests: list[bytes | None]) -> bytes:
    """Returns the expected outputs of a reference solution as bytes for storage; all lists have one item per input.

    An output is in `small` as encoded bytes, or None and in `digests` as the digest of a large one.
    """
    return wire.dumps((facts, small, digests))


class ExpectedOutputs:
    """Expected outputs of one group of inputs, by index.

    Only a digest is stored of a large output. `recompute(index, seconds)` returns its encoded pieces by running the
    reference solution again, which took `seconds` in its first run.
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

    def has_same_bytes(self, index: int, kind: bytes, payload: bytes) -> bool:
        """Returns whether an output is equal to the expected one because its encoded bytes or its digest are.

        `kind` and `payload` are the sample's message. False does not mean that the output is wrong: the values may be
        equal.
        """
        if not self.facts[index][3]:
            return False
        return bool(payload == (self.small[index] if kind == b"o" else self.digests[index]))

    def pieces(self, index: int) -> list[bytes]:
        """Returns an expected output, encoded in pieces of limited size (see `shared.outputs.pieces_of`)."""
        small = self.small[index]
        return self.recompute(index, self.times()[index]) if small is None else [codec.encode(None), small]
