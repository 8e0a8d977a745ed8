"""Judges what an entry point returns: the processes run the sample, and the comparison happens here.

The judge keeps the expected outputs to itself. It reads them only after the processes that run the sample have been
forked, and stops a part at its first wrong output.
"""

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, NamedTuple

from . import clean, codec, hostile, wire
from .compare import SEES_INPUT, WHOLE, Comparison
from .expected import FACTS, Expected, Facts, pack, value_of
from .process import FORGED, Part, Result, ended

COMPARE_S = 30.0
SMALL = 4096
"""Bytes of an output and of the expected one together; larger ones are compared in a process of their own."""
REFERENCE_S = 3600.0
AGAIN_FACTOR, AGAIN_EXTRA_S = 10.0, 60.0
"""How long the reference may take when it is run again, in terms of the first time: the sample may disturb it."""
LATE_S = 0.5
"""How much later than its limits allow the output of a call may come; a program may be deaf to its own alarm."""
SHOWN = 80


def judge(job: dict[str, Any], secret: Callable[[], Any], uid: int, folder: str) -> tuple[dict[str, Result], bytes]:
    """Results by part, and for a trusted program the bytes of what it returned. A part after a failed one is absent."""
    parts = {name: Part({**job, "inputs": inputs}, uid, folder) for name, inputs in job["inputs"].items()}
    kept = secret()
    expected = wire.loads(kept["expected"]) if kept["expected"] else {}
    results: dict[str, Result] = {}
    blobs: dict[str, bytes] = {}
    for name, part in parts.items():
        if any(result["status"] != "passed" for result in results.values()):
            part.end("skipped")
            continue
        try:
            if job["runner"] == "reference":
                results[name], blobs[name] = record(part)
            else:
                results[name] = judge_calls(part, expected[name], kept["source"], folder)
        except wire.TooLarge as error:
            results[name] = part.end("failed", f"an output too large to be compared: {error}")
        except FORGED as error:
            results[name] = part.end("tampered", f"sent what no part sends: {type(error).__name__} {error}")
        clean.between(uid, folder, {later.pid for later in parts.values() if not later.ended})
    return results, wire.dumps(blobs) if blobs else b""


def time_limits(times: list[float], rules: dict[str, Any]) -> tuple[list[float], float]:
    """Seconds per call and for the part. Source: evalplus/eval/__init__.py `untrusted_check`."""
    limits = [max(rules["min_time_s"], rules["time_factor"] * seconds) for seconds in times]
    return limits, min(rules["max_time_s"], sum(limits)) + 1


def judge_calls(part: Part, data: bytes, source: str, folder: str) -> Result:
    """A part passes when its entry point returned what is expected on each input."""
    rules = part.part["rules"]
    expected = Expected(data, lambda index, seconds: recompute(part, source, index, seconds, folder))
    limits, total_s = time_limits(expected.times(), rules)
    part.go(limits, total_s + 1)
    comparison = Comparison(rules["edition"], rules["oracle"], rules["atol"])
    seen_s, watched = 0.0, expected.are_small()
    for index in range(len(expected)):
        frame = part.next()
        if frame is None or frame[0] not in b"od":
            return ended(part, frame)
        # The first comes after the program was loaded; those of fast calls are sent together with that of a slow one.
        if index and watched and part.watch.elapsed_s() - seen_s > max(limits) + LATE_S:
            return part.end("timeout", f"input {index}: no output in the time for a call")
        status, _, why = why_not_right(part, frame, index, expected, comparison).partition(":")
        if status:
            return part.end(status, f"input {index}: {why}")
        seen_s = part.watch.elapsed_s()
    frame = part.next()
    return part.end("passed") if part.reached_end(frame) else ended(part, frame)


def why_not_right(
    part: Part, frame: tuple[bytes, bytes], index: int, expected: Expected, comparison: Comparison
) -> str:
    """Status and reason for the output in the frame, with a colon between; empty if it is right."""
    kind, payload = frame
    plain = comparison.oracle not in WHOLE
    if plain and expected.same_bytes(index, kind, payload):
        if kind == b"d":
            part.tell(b"n")
    else:
        try:
            theirs = [codec.encode(None), payload]
            if kind == b"d":
                part.tell(b"s")
                theirs = part.chunks()
            ours = expected.pieces(index)
            judging = Judging(part, index, comparison, plain and not any(expected.kind(index)))
            if sum(map(len, [*theirs, *ours])) <= SMALL:
                wrong = judging.why_not_equal(theirs, ours)
            else:
                wrong = hostile.apart(lambda: judging.why_not_equal(theirs, ours), COMPARE_S)
        except hostile.Unfinished:
            return "failed:comparing the output did not end"
        except ValueError as error:  # pieces that break off
            return f"failed:{error}"
        if wrong:
            return wrong
    comparison.expect(*expected.kind(index))
    return ""


class Judging(NamedTuple):
    """One output that is not the expected one byte for byte. `exact`: nothing but an equal value will do."""

    part: Part
    number: int
    comparison: Comparison
    exact: bool

    def why_not_equal(self, theirs: list[bytes], ours: list[bytes]) -> str:
        """As `why_not_right`."""
        try:
            return self._compare(theirs, ours)
        except ValueError as error:
            return f"failed:{error}"
        except FORGED as error:
            return f"tampered:sent what no part sends: {type(error).__name__} {error}"

    def _compare(self, theirs: list[bytes], ours: list[bytes]) -> str:
        comparison = self.comparison
        their_header, our_header = codec.decode(theirs[0]), codec.decode(ours[0])
        if self.exact and our_header and their_header == our_header and comparison.atol == 0:
            for mine, yours in zip_longest(ours[1:], theirs[1:]):
                same = mine == yours and not codec.NAN.search(mine or b"")
                if not same and codec.decode(mine or b"") != codec.decode(yours or b""):
                    return "failed:a large output differs"
            return ""
        output, value, args = value_of(theirs), value_of(ours), None
        if comparison.oracle in SEES_INPUT:
            if isinstance(output, codec.Opaque):
                return "failed:what was returned has no plain form"
            output, args = output
        try:
            accepted = comparison.accepts(output, value, args)
            if accepted and args is not None and not comparison.accepts(output, value, self._given()):
                return "tampered:right only for arguments that it has changed"
        except Exception as error:
            return f"failed:{shown(output)} cannot be compared with {shown(value)}: {type(error).__name__}"
        if accepted:
            return ""
        given = "(" + ", ".join(map(shown, self._given())) + ")"
        return f"failed:{given} gave {shown(output)}, expected {shown(value)}"

    def _given(self) -> Any:
        return wire.loads(self.part.part["inputs"])[self.number]


def shown(value: Any) -> str:
    """A value in at most `SHOWN` characters."""
    try:
        text = f"<{value.name}>" if isinstance(value, codec.Opaque) else repr(value)
    except (ValueError, RecursionError):  # an int of thousands of digits, a deep nest
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def record(part: Part) -> tuple[Result, bytes]:
    """Runs a trusted program on its inputs and packs what it returned."""
    facts: list[Facts] = []
    small: list[bytes | None] = []
    digests: list[bytes | None] = []
    part.go([], REFERENCE_S)
    while (frame := part.next()) and frame[0] in b"fod":
        kind, payload = frame
        if kind == b"f":
            facts.append(FACTS.unpack(payload))
            continue
        small.append(payload if kind == b"o" else None)
        digests.append(payload if kind == b"d" else None)
        if kind == b"d":
            part.tell(b"n")
    result = part.end("passed") if part.reached_end(frame) else ended(part, frame)
    return result, pack(facts, small, digests)


def recompute(part: Part, source: str, index: int, seconds: float, folder: str) -> list[bytes]:
    """The pieces of one large expected output, from the trusted program run again on that input alone."""
    inputs = wire.dumps([wire.loads(part.part["inputs"])[index]])
    rules = {**part.part["rules"], "guard": ""}
    job = {**part.part, "runner": "reference", "source": source, "inputs": inputs, "rules": rules}
    job["output_not_none"] = False
    again = Part(job, part.uid + 1, folder)
    again.go([], AGAIN_FACTOR * seconds + AGAIN_EXTRA_S)
    pieces: list[bytes] = []
    while (frame := again.next()) and frame[0] in b"fod":
        if frame[0] == b"d":
            again.tell(b"s")
            pieces = again.chunks()
        elif frame[0] == b"o":
            pieces = [codec.encode(None), frame[1]]
    again.end("passed")
    return pieces
