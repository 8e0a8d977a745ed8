"""Stored expected outputs of one group of inputs: small values whole, large ones as digests."""

from collections.abc import Callable

from ...shared import codec, wire
from ...shared.outputs import OutputFacts


def pack_expected_outputs(
    facts: list[OutputFacts], small_outputs: list[bytes | None], large_output_digests: list[bytes | None]
) -> bytes:
    """Returns the expected outputs of a reference solution as bytes for storage; each list has one item per input.

    `small_outputs` has the encoded output, or None for a large one, whose digest is in `large_output_digests`.
    `facts`: for each output, CPU time of the call and properties of the value (see `OutputFacts`).
    """
    return wire.dumps((facts, small_outputs, large_output_digests))


class ExpectedOutputs:
    """Expected outputs of one group of inputs, by index.

    For a large output only its digest is stored. `recompute(index, seconds)` runs the reference solution again, which
    took `seconds` in its first run, and returns the output in encoded pieces.
    """

    def __init__(self, data: bytes, recompute: Callable[[int, float], list[bytes]]):
        self.facts, self.small, self.digests = wire.loads(data)
        self.recompute = recompute

    def __len__(self) -> int:
        return len(self.facts)

    def cpu_times(self) -> list[float]:
        """Returns the CPU seconds that the reference solution needed for each call."""
        return [facts[0] for facts in self.facts]

    def are_all_small(self) -> bool:
        """Returns whether all outputs are small enough to be stored whole."""
        return None not in self.small

    def float_and_empty_flags(self, index: int) -> tuple[bool, bool]:
        """Returns whether expected output `index` consists of floats, and whether it is an empty list or tuple."""
        return self.facts[index][1], self.facts[index][2]

    def has_same_bytes(self, index: int, kind: bytes, payload: bytes) -> bool:
        """Returns whether the encoded bytes, or the digest, of a sample's output equal those of the expected output.

        `kind` and `payload` are the sample's message. If this returns False, the output may still be equal by value.
        """
        if not self.facts[index][3]:
            return False
        return bool(payload == (self.small[index] if kind == b"o" else self.digests[index]))

    def encoded_pieces(self, index: int) -> list[bytes]:
        """Returns expected output `index` in encoded pieces (see `shared.outputs.encode_in_pieces`)."""
        small = self.small[index]
        return self.recompute(index, self.cpu_times()[index]) if small is None else [codec.encode(None), small]
