"""Decides whether one output of a sample is right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...sample.running import CallOnInputs
from ...shared import codec, wire
from ...shared.outcome import Outcome
from ...shared.outputs import (
    CHUNK,
    ORACLES_WITH_INPUT,
    ORACLES_WITH_VALUE,
    MalformedPieces,
    digest_of,
    items_of,
    parse_first_piece,
    value_of,
)
from ..sample_process import FORGED, SampleProcess, outcome_of_forged_message
from .bounded_work import ComparisonUnfinished, run_bounded
from .comparison import Comparison
from .expected import ExpectedOutputs

COMPARE_S = 30.0
"""Time limit of a comparison in seconds."""
SMALL = 4096
"""Bytes of an output and of the expected one together above which they are compared in a separate process."""
SHOWN = 80
"""Most characters of a value in a message."""
DIFFERS = Outcome("failed", "a large output differs")


def short_repr(value: Any) -> str:
    """Returns a value's repr in at most `SHOWN` characters."""
    try:
        text = f"<{value.name}>" if isinstance(value, codec.Opaque) else repr(value)
    except (ValueError, RecursionError):  # an int of thousands of digits, deep nesting
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


@dataclass(frozen=True)
class SampleOutput:
    """The output of a sample's call number `index`, to be compared with the expected one."""

    work: CallOnInputs
    index: int
    comparison: Comparison

    def wrong(self, output: list[bytes], expected: list[bytes], exact: bool) -> Outcome | None:
        """Returns the outcome of a wrong output; None if it is right.

        `output` and `expected` are encoded in pieces (see `shared.outputs.pieces_of`). With `exact`, only equal values
        are right, without a tolerance or special rules.
        """
        try:
            return self._compare(output, expected, exact)
        except MalformedPieces as error:
            return outcome_of_forged_message(error)
        except ValueError as error:
            return Outcome("failed", str(error))
        except FORGED as error:
            return outcome_of_forged_message(error)

    def _compare(self, output_pieces: list[bytes], expected_pieces: list[bytes], exact: bool) -> Outcome | None:
        comparison = self.comparison
        if exact and comparison.atol == 0 and codec.decode(expected_pieces[0]) is not None:
            return None if _equal_in_pieces(output_pieces, expected_pieces) else DIFFERS
        output, expected, args = value_of(output_pieces), value_of(expected_pieces), None
        if comparison.oracle in ORACLES_WITH_INPUT:
            if isinstance(output, codec.Opaque):
                return Outcome("failed", "the returned value has a type that cannot be compared")
            output, args = output
        try:
            accepted = comparison.accepts(output, expected, args)
            if accepted and args is not None and not comparison.accepts(output, expected, self._decode_arguments()):
                return Outcome("tampered", "right only for arguments that the program itself has changed")
        except Exception as error:
            reason = f"{short_repr(output)} cannot be compared with {short_repr(expected)}: {type(error).__name__}"
            return Outcome("failed", reason)
        if accepted:
            return None
        arguments = "(" + ", ".join(map(short_repr, self._decode_arguments())) + ")"
        return Outcome("failed", f"{arguments} gave {short_repr(output)}, expected {short_repr(expected)}")

    def _decode_arguments(self) -> Any:
        return wire.loads(self.work.inputs)[self.index]


def _equal_in_pieces(output: list[bytes], expected: list[bytes]) -> bool:
    """Returns whether two long lists, encoded in pieces, have equal elements.

    They are decoded one piece at a time to save memory.
    """
    header = codec.decode(output[0])
    kind, length = parse_first_piece(codec.decode(expected[0]), len(expected) - 1)
    if header is None or parse_first_piece(header, len(output) - 1) != (kind, length):
        return False
    for number, (piece, expected_piece) in enumerate(zip(output[1:], expected[1:], strict=True)):
        if piece == expected_piece and not codec.NAN.search(piece):
            continue
        count = min(CHUNK, length - number * CHUNK)
        if items_of(piece, count) != items_of(expected_piece, count):
            return False
    return True


Pieces = Callable[[], list[bytes]]
"""Function that returns an output's encoded pieces. Raises ValueError if they do not match the announced digest."""


def outcome_of_wrong_output(
    output: SampleOutput, kind: bytes, payload: bytes, pieces: Pieces, expected: ExpectedOutputs
) -> Outcome | None:
    """Returns the outcome of a wrong output; None if it is right.

    `kind` and `payload` are the sample's message: the encoded output, or the digest of a large one. `pieces()` requests
    the whole output and is called only if the message does not decide.
    """
    index, comparison = output.index, output.comparison
    bytes_decide = comparison.oracle not in ORACLES_WITH_VALUE
    if not (bytes_decide and expected.has_same_bytes(index, kind, payload)):
        try:
            output_pieces, expected_pieces = pieces(), expected.pieces(index)
            exact = bytes_decide and not any(expected.kind(index))
            if sum(map(len, [*output_pieces, *expected_pieces])) <= SMALL:
                wrong = output.wrong(output_pieces, expected_pieces, exact)
            else:
                wrong = run_bounded(lambda: output.wrong(output_pieces, expected_pieces, exact), COMPARE_S)
        except ComparisonUnfinished:
            return Outcome("failed", "comparing the output exceeded its time limit")
        except MalformedPieces as error:
            return outcome_of_forged_message(error)
        except ValueError as error:  # incomplete pieces
            return Outcome("failed", str(error))
        if wrong:
            return wrong
    comparison.update_tolerance(*expected.kind(index))
    return None


def requested_pieces(process: SampleProcess, digest: bytes) -> list[bytes]:
    """Requests a large output from the sample's process, which has sent only its digest.

    Returns the output, encoded in pieces (see `shared.outputs.pieces_of`).
    """
    process.send(b"s")
    pieces = process.pieces()
    if digest_of(pieces) != digest:
        raise MalformedPieces("pieces of another output than the announced one")
    return pieces
