"""Decides whether one output of a sample is the expected one."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from ...sample.running import CallOnInputs
from ...shared import codec, wire
from ...shared.outcome import Outcome
from ...shared.outputs import ORACLES_WITH_INPUT, ORACLES_WITH_VALUE, value_of
from ..sample_process import FORGED, SampleProcess, forged
from .bounded_work import Unfinished, run_bounded
from .comparison import Comparison
from .expected import Expected

COMPARE_S = 30.0
"""The time limit of a comparison."""
SMALL = 4096
"""Bytes of an output and of the expected one together; larger ones are compared in a separate process."""
SHOWN = 80
"""The most characters of a value in a message."""


def shown(value: Any) -> str:
    """Returns a value in at most `SHOWN` characters."""
    try:
        text = f"<{value.name}>" if isinstance(value, codec.Opaque) else repr(value)
    except (ValueError, RecursionError):  # an int of thousands of digits, deep nesting
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


@dataclass(frozen=True)
class Output:
    """The output of a call, named by its index."""

    work: CallOnInputs
    index: int
    comparison: Comparison

    def wrong(self, output: list[bytes], expected: list[bytes], exact: bool) -> Outcome | None:
        """Returns the outcome of a wrong output, None of a right one; both in pieces.

        `exact`: only equal values are right.
        """
        try:
            return self._compare(output, expected, exact)
        except ValueError as error:
            return Outcome("failed", str(error))
        except FORGED as error:
            return forged(error)

    def _compare(self, output_pieces: list[bytes], expected_pieces: list[bytes], exact: bool) -> Outcome | None:
        comparison = self.comparison
        header, expected_header = codec.decode(output_pieces[0]), codec.decode(expected_pieces[0])
        if exact and expected_header and header == expected_header and comparison.atol == 0:
            for expected_piece, piece in zip_longest(expected_pieces[1:], output_pieces[1:]):
                same = expected_piece == piece and not codec.NAN.search(expected_piece or b"")
                if not same and codec.decode(expected_piece or b"") != codec.decode(piece or b""):
                    return Outcome("failed", "a large output differs")
            return None
        output, expected, args = value_of(output_pieces), value_of(expected_pieces), None
        if comparison.oracle in ORACLES_WITH_INPUT:
            if isinstance(output, codec.Opaque):
                return Outcome("failed", "what was returned has no plain form")
            output, args = output
        try:
            accepted = comparison.accepts(output, expected, args)
            if accepted and args is not None and not comparison.accepts(output, expected, self._arguments()):
                return Outcome("tampered", "right only for arguments that it has changed")
        except Exception as error:
            reason = f"{shown(output)} cannot be compared with {shown(expected)}: {type(error).__name__}"
            return Outcome("failed", reason)
        if accepted:
            return None
        arguments = "(" + ", ".join(map(shown, self._arguments())) + ")"
        return Outcome("failed", f"{arguments} gave {shown(output)}, expected {shown(expected)}")

    def _arguments(self) -> Any:
        return wire.loads(self.work.inputs)[self.index]


def wrong_output(
    process: SampleProcess, output: Output, frame: tuple[bytes, bytes], expected: Expected
) -> Outcome | None:
    """Returns the outcome of a wrong output, None of a right one.

    Reads the output's pieces from the process if needed.
    """
    kind, payload = frame
    index, comparison = output.index, output.comparison
    bytes_decide = comparison.oracle not in ORACLES_WITH_VALUE
    if bytes_decide and expected.same_bytes(index, kind, payload):
        if kind == b"d":
            process.send(b"n")
    else:
        try:
            pieces = [codec.encode(None), payload]
            if kind == b"d":
                process.send(b"s")
                pieces = process.pieces()
            expected_pieces = expected.pieces(index)
            exact = bytes_decide and not any(expected.kind(index))
            if sum(map(len, [*pieces, *expected_pieces])) <= SMALL:
                wrong = output.wrong(pieces, expected_pieces, exact)
            else:
                wrong = run_bounded(lambda: output.wrong(pieces, expected_pieces, exact), COMPARE_S)
        except Unfinished:
            return Outcome("failed", "comparing the output did not end")
        except ValueError as error:  # incomplete pieces
            return Outcome("failed", str(error))
        if wrong:
            return wrong
    comparison.expect(*expected.kind(index))
    return None
