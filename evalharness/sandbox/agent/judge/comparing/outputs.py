"""Decides whether one output of a sample is right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...sample.running import CallFunctionWork
from ...shared import codec, wire
from ...shared.outcome import Outcome
from ...shared.outputs import (
    CHUNK_ELEMENTS,
    ORACLES_WITH_INPUT,
    ORACLES_WITH_VALUE,
    MalformedPieces,
    decode_piece,
    decode_pieces,
    digest_of_pieces,
    parse_first_piece,
)
from ..sample_process import FORGED_MESSAGE_ERRORS, SampleProcess, outcome_of_forged_message
from .bounded_work import ComparisonUnfinished, compare_with_limits
from .comparison import Comparison
from .expected import ExpectedOutputs

COMPARE_S = 30.0
"""Time limit of a comparison in seconds."""
MAX_INLINE_BYTES = 4096
"""Bytes of an output and of the expected one together above which they are compared in a separate process."""
MAX_REPR_CHARACTERS = 80
"""Most characters of a value in a message."""
LARGE_OUTPUT_DIFFERS = Outcome("failed", "a large output differs from the expected output")


def short_repr(value: Any) -> str:
    """Returns a value's repr, shortened to `MAX_REPR_CHARACTERS` characters."""
    try:
        text = f"<{value.name}>" if isinstance(value, codec.OpaqueValue) else repr(value)
    except (ValueError, RecursionError):  # an int of thousands of digits, deep nesting
        text = f"<{type(value).__name__}>"
    return text if len(text) <= MAX_REPR_CHARACTERS else text[: MAX_REPR_CHARACTERS - 3] + "..."


@dataclass(frozen=True)
class SampleCall:
    """Call number `index` of a sample's function; compares the call's output with the expected one by `comparison`.

    Does not contain the output, which the methods receive in encoded pieces.
    """

    work: CallFunctionWork
    index: int
    comparison: Comparison

    def outcome_if_wrong(self, output_pieces: list[bytes], expected_pieces: list[bytes], exact: bool) -> Outcome | None:
        """Compares the output with the expected one; returns the outcome if it is wrong, None if it is right.

        Both are encoded in pieces (see `shared.outputs.encode_in_pieces`). `exact`: only equal values are right,
        without tolerance and special rules.
        """
        try:
            return self._compare(output_pieces, expected_pieces, exact)
        except MalformedPieces as error:
            return outcome_of_forged_message(error)
        except ValueError as error:
            return Outcome("failed", str(error))
        except FORGED_MESSAGE_ERRORS as error:
            return outcome_of_forged_message(error)

    def _compare(self, output_pieces: list[bytes], expected_pieces: list[bytes], exact: bool) -> Outcome | None:
        comparison = self.comparison
        if exact and comparison.atol == 0 and codec.decode(expected_pieces[0]) is not None:
            return None if _are_equal_sequences(output_pieces, expected_pieces) else LARGE_OUTPUT_DIFFERS
        output, expected, args = decode_pieces(output_pieces), decode_pieces(expected_pieces), None
        if comparison.oracle in ORACLES_WITH_INPUT:
            if isinstance(output, codec.OpaqueValue):
                return Outcome("failed", "the returned value has a type that cannot be compared")
            output, args = output
        try:
            accepted = comparison.accepts(output, expected, args)
            if accepted and args is not None and not comparison.accepts(output, expected, self._decode_arguments()):
                return Outcome("tampered", "the output is right only because the program changed its arguments")
        except Exception as error:
            reason = f"{short_repr(output)} cannot be compared with {short_repr(expected)}: {type(error).__name__}"
            return Outcome("failed", reason)
        if accepted:
            return None
        arguments = "(" + ", ".join(map(short_repr, self._decode_arguments())) + ")"
        return Outcome("failed", f"{arguments} gave {short_repr(output)}, expected {short_repr(expected)}")

    def _decode_arguments(self) -> Any:
        return wire.loads(self.work.inputs)[self.index]


def _are_equal_sequences(output_pieces: list[bytes], expected_pieces: list[bytes]) -> bool:
    """Returns whether an output equals the expected long list or tuple: same type, equal elements in the same order.

    Both are encoded in pieces, which are decoded one at a time to save memory.
    """
    header = codec.decode(output_pieces[0])
    expected_header = parse_first_piece(codec.decode(expected_pieces[0]), len(expected_pieces) - 1)
    if header is None or parse_first_piece(header, len(output_pieces) - 1) != expected_header:
        return False
    for number, (piece, expected_piece) in enumerate(zip(output_pieces[1:], expected_pieces[1:], strict=True)):
        if piece == expected_piece and not codec.NAN_BYTES.search(piece):
            continue
        count = min(CHUNK_ELEMENTS, expected_header.length - number * CHUNK_ELEMENTS)
        if decode_piece(piece, count) != decode_piece(expected_piece, count):
            return False
    return True


GetOutputPieces = Callable[[], list[bytes]]
"""Function that returns an output's encoded pieces. Raises ValueError if they do not match the announced digest."""


def outcome_if_output_is_wrong(
    call: SampleCall, kind: bytes, payload: bytes, get_output_pieces: GetOutputPieces, expected: ExpectedOutputs
) -> Outcome | None:
    """Compares the output of `call` with the expected one; returns the outcome if it is wrong, None if it is right.

    `kind` and `payload` are the sample's message: the encoded output, or the digest of a large one.
    `get_output_pieces()` requests and returns the whole output; it is called only if the message alone does not show
    that the output is right.
    """
    index, comparison = call.index, call.comparison
    bytes_decide = comparison.oracle not in ORACLES_WITH_VALUE
    if not (bytes_decide and expected.has_same_bytes(index, kind, payload)):
        try:
            output_pieces, expected_pieces = get_output_pieces(), expected.encoded_pieces(index)
            exact = bytes_decide and not any(expected.tolerance_flags(index))
            if sum(map(len, [*output_pieces, *expected_pieces])) <= MAX_INLINE_BYTES:
                wrong = call.outcome_if_wrong(output_pieces, expected_pieces, exact)
            else:
                wrong = compare_with_limits(
                    lambda: call.outcome_if_wrong(output_pieces, expected_pieces, exact), COMPARE_S
                )
        except ComparisonUnfinished:
            return Outcome("failed", "comparing the output exceeded its time limit")
        except MalformedPieces as error:
            return outcome_of_forged_message(error)
        except ValueError as error:  # incomplete pieces
            return Outcome("failed", str(error))
        if wrong:
            return wrong
    comparison.update_tolerance(*expected.tolerance_flags(index))
    return None


def request_output_pieces(process: SampleProcess, digest: bytes) -> list[bytes]:
    """Requests a large output from the sample's process, which has sent only the output's digest.

    Returns the output, encoded in pieces (see `shared.outputs.encode_in_pieces`). Raises MalformedPieces if the pieces
    have another digest.
    """
    process.send(b"s")
    pieces = process.receive_output_pieces()
    if digest_of_pieces(pieces) != digest:
        raise MalformedPieces("the sample's process sent an output that does not have the digest that it sent before")
    return pieces
