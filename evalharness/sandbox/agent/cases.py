"""Judges what a program answers to test cases, of which it is given one at a time, as LiveCodeBench's grader does.

The judge reads the cases only after the process that runs the sample has been forked, gives it the next one's input
when the last one's answer was right, and keeps what is expected to itself.
Source: LiveCodeBench/LiveCodeBench, lcb_runner/evaluation/testing_util.py `run_test`, and
lcb_runner/evaluation/compute_code_generation_metrics.py `check_correctness` for the time of the whole.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from . import answering, codec, hostile
from .calls import COMPARE_S, SMALL, shown
from .process import FORGED, Part, Result, ended
from .testcases import LARGEST_INTEGER, Case, Malformed, is_equal, read_cases, why_different
from .wire import dumps, pack_job

NOT_ENCODED = "\0"
"""What comparing says first of bytes that no part sends."""
WHOLE_EXTRA_S = 5.0
"""The whole may take a second more than its limit for each case, and this."""


def judge(job: dict[str, Any], secret: Callable[[], Any], uid: int, folder: str) -> tuple[dict[str, Result], bytes]:
    """The result of the part `cases`; the bytes are empty."""
    sys.set_int_max_str_digits(LARGEST_INTEGER)
    part = Part({**job, "inputs": dumps([])}, uid, folder, main=answering.main)
    kept = secret()
    try:
        result = judge_cases(part, _prepared(read_cases(kept["public"], kept["private"]), job["function"]))
    except Malformed as error:
        result = part.end("infrastructure", str(error))
    except FORGED as error:
        result = part.end("tampered", f"sent what no part sends: {type(error).__name__} {error}")
    return {"cases": result}, b""


def _prepared(cases: list[Case], function: str) -> list[tuple[Any, Any]]:
    """What each case gives and expects: texts, or for a function its arguments and a value."""
    if not function:
        return [(case.given, case.expected) for case in cases]
    try:
        return [([*map(json.loads, case.given.split("\n"))], json.loads(case.expected)) for case in cases]
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the test cases of {function} are not JSON: {error}") from None


def judge_cases(part: Part, cases: list[tuple[Any, Any]]) -> Result:
    """Passed when every answer is right; nothing is asked after the first that is not."""
    if not cases:
        return part.end("failed", "there is no test case that it could pass")
    part.go([], (part.part["case_s"] + 1) * len(cases) + WHOLE_EXTRA_S)
    for number, (given, expected) in enumerate(cases, start=1):
        part.tell(pack_job(given))
        frame = part.next()
        if frame is None or frame[0] != b"o":
            result = ended(part, frame)
            return result | {"detail": f"case {number} of {len(cases)}: {result['detail']}"}
        wrong = why_wrong(frame[1], expected, part.part["function"])
        if wrong:
            return part.end("failed", f"case {number} of {len(cases)}: {wrong}")
    part.tell(pack_job(None))
    frame = part.next()
    return part.end("passed") if part.reached_end(frame) else ended(part, frame)


def why_wrong(answer: bytes, expected: Any, function: str) -> str:
    """Why an answer is wrong; empty where it is right. Raises ValueError for bytes that no part sends."""
    if len(answer) > answering.LARGEST_ANSWER:
        raise ValueError(f"an answer of {len(answer)} bytes")
    if not function:
        return why_different(answer.decode("utf-8", "surrogatepass"), expected)
    if answer == codec.encode(expected) and not codec.NAN.search(answer):
        return ""

    def compare() -> str:
        try:
            returned = codec.decode(answer)
        except ValueError as error:
            return f"{NOT_ENCODED}{error}"
        try:
            return "" if is_equal(returned, expected) else f"{shown(returned)}, expected {shown(expected)}"
        except Exception as error:  # what numpy says of an array's truth, a nest without end, or a comparison that is
            return f"{shown(returned)} cannot be compared with {shown(expected)}: {type(error).__name__} {error}"

    try:
        wrong = compare() if len(answer) <= SMALL else hostile.apart(compare, COMPARE_S)
    except hostile.Unfinished:
        return "comparing what was returned did not end"
    if wrong.startswith(NOT_ENCODED):
        raise ValueError(wrong.removeprefix(NOT_ENCODED))
    return wrong
