"""Judges what an entry point returns: the processes run the sample, and the comparison happens here.

The judge keeps the expected outputs to itself. It reads them only after the processes that run the sample have been
forked, and stops a part at its first wrong output.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

from . import clean, codec, wire
from .compare import SEES_INPUT, WHOLE, Comparison
from .expected import FACTS, Expected, Facts, pack, value_of
from .process import FORGED, Part, Result, ended

COMPARE_S = 60
REFERENCE_S = 3600.0
SHOWN = 80


class Wrong(Exception):
    """An output that is not right; the text says which and why."""


class Changed(Exception):
    """An output that is right for what the program made of its arguments, not for what it was given."""


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
    expected = Expected(data, lambda index: recompute(part, source, index, folder))
    limits, total_s = time_limits(expected.times(), rules)
    part.go(limits, total_s + 1)
    comparison = Comparison(rules["edition"], rules["oracle"], rules["atol"])
    for index in range(len(expected)):
        frame = part.next()
        if frame is None or frame[0] not in b"od":
            return ended(part, frame)
        try:
            check_output(part, frame, index, expected, comparison)
        except Changed as cheat:
            return part.end("tampered", f"input {index}: {cheat}")
        except (Wrong, ValueError) as wrong:
            return part.end("failed", f"input {index}: {wrong}")
    frame = part.next()
    return part.end("passed") if part.reached_end(frame) else ended(part, frame)


def check_output(
    part: Part, frame: tuple[bytes, bytes], index: int, expected: Expected, comparison: Comparison
) -> None:
    """Raises Wrong unless the output in the frame is right."""
    kind, payload = frame
    plain = comparison.oracle not in WHOLE
    if plain and expected.same_bytes(index, kind, payload):
        comparison.expect(*expected.kind(index))
        if kind == b"d":
            part.tell(b"n")
        return
    if kind == b"d":
        part.tell(b"s")
    theirs = part.chunks() if kind == b"d" else iter([codec.encode(None), payload])
    ours = expected.pieces(index)
    their_header, our_header = codec.decode(next(theirs)), codec.decode(next(ours))
    if plain and our_header and their_header == our_header and not any(expected.kind(index)) and comparison.atol == 0:
        for mine, yours in zip_longest(ours, theirs):
            same = mine == yours and not codec.NAN.search(mine or b"")
            if not same and codec.decode(mine or b"") != codec.decode(yours or b""):
                raise Wrong("a large output differs")
        return
    output, value, args = value_of(their_header, theirs), value_of(our_header, ours), None
    if comparison.oracle in SEES_INPUT:
        if isinstance(output, codec.Opaque):
            raise Wrong("what was returned has no plain form")
        output, args = output
    for _ in theirs:
        pass
    with deadline(COMPARE_S):
        try:
            accepted = comparison.accepts(output, value, args)
            if accepted and args is not None:
                given = wire.loads(part.part["inputs"])[index]
                if not comparison.accepts(output, value, given):
                    raise Changed("right only for arguments that it has changed")
        except (Wrong, Changed):
            raise
        except Exception as error:
            raise Wrong(f"{shown(output)} cannot be compared with {shown(value)}: {type(error).__name__}") from None
    if not accepted:
        raise Wrong(f"{arguments(part, index)} gave {shown(output)}, expected {shown(value)}")


def arguments(part: Part, index: int) -> str:
    return "(" + ", ".join(shown(value) for value in wire.loads(part.part["inputs"])[index]) + ")"


def shown(value: Any) -> str:
    """A value in at most `SHOWN` characters."""
    try:
        text = f"<{value.name}>" if isinstance(value, codec.Opaque) else repr(value)
    except (ValueError, RecursionError):  # an int of thousands of digits, a deep nest
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Ends a comparison that takes too long by raising Wrong; what a program returned decides how long it takes."""

    def ring(*_: object) -> None:
        raise Wrong("comparing the output did not end")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


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


def recompute(part: Part, source: str, index: int, folder: str) -> list[bytes]:
    """The pieces of one large expected output, from the trusted program run again on that input alone."""
    inputs = wire.dumps([wire.loads(part.part["inputs"])[index]])
    rules = {**part.part["rules"], "guard": ""}
    job = {**part.part, "runner": "reference", "source": source, "inputs": inputs, "rules": rules}
    job["output_not_none"] = False
    again = Part(job, part.uid + 1, folder)
    again.go([], REFERENCE_S)
    pieces: list[bytes] = []
    while (frame := again.next()) and frame[0] in b"fod":
        if frame[0] == b"d":
            again.tell(b"s")
            pieces = list(again.chunks())
        elif frame[0] == b"o":
            pieces = [codec.encode(None), frame[1]]
    again.end("passed")
    return pieces
