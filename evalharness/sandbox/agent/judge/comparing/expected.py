"""Stored expected outputs of one group of inputs: small values whole, large ones as digests."""

from collections.abc import Callable
from typing import NamedTuple

from ...shared import codec, wire
from ...shared.outputs import OutputFacts


def pack_expected_outputs(
    facts: list[OutputFacts], small_outputs: list[bytes | None], large_output_digests: list[bytes | None]
) -> bytes:
    """Returns the expected outputs, those of a reference solution, as bytes for storage.

    Each list has one item per input. `facts`: CPU time of the call and properties of the value (see `OutputFacts`);
    `small_outputs`: the encoded output, None for a large one; `large_output_digests`: the digest of a large output.
    """
    return wire.dumps((facts, small_outputs, large_output_digests))


class ToleranceFlags(NamedTuple):
    """Properties of an expected output that change the tolerance of later comparisons."""

    consists_of_floats: bool
    is_empty_sequence: bool


class ExpectedOutputs:
    """The expected outputs of one group of inputs, by the index of the input.

    A large output is stored only as its digest. `recompute(index, seconds)` runs the reference solution on that input
    again and returns the output in encoded pieces; `seconds` is the CPU time that the first run needed.
    """

    def __init__(self, data: bytes, recompute: Callable[[int, float], list[bytes]]):
        self.facts, self.small, self.digests = wire.loads(data)
        self.recompute = recompute

    def __len__(self) -> int:
        return len(self.facts)

    def reference_cpu_seconds(self) -> list[float]:
        """Returns the CPU seconds that the reference solution needed for each call, in the order of the inputs."""
        return [facts[0] for facts in self.facts]

    def are_all_small(self) -> bool:
        """Returns whether all outputs are small enough to be stored whole."""
        return None not in self.small

    def tolerance_flags(self, index: int) -> ToleranceFlags:
        """Returns whether expected output `index` consists of floats, and whether it is an empty list or tuple."""
        return ToleranceFlags(self.facts[index][1], self.facts[index][2])

    def has_same_bytes(self, index: int, kind: bytes, payload: bytes) -> bool:
        """Returns whether a sample's encoded output, or its digest, is the same as that of expected output `index`.

        `kind` and `payload` are the sample's message: an encoded output (`o`) or a digest (`d`). If this returns False,
        the output may still be equal by value.
        """
        if not self.facts[index][3]:
            return False
        return bool(payload == (self.small[index] if kind == b"o" else self.digests[index]))

    def encoded_pieces(self, index: int) -> list[bytes]:
        """Returns expected output `index` in encoded pieces (see `shared.outputs.encode_in_pieces`).

        Runs the reference solution again for a large output.
        """
        small = self.small[index]
        return (
            self.recompute(index, self.reference_cpu_seconds()[index]) if small is None else [codec.encode(None), small]
        )
