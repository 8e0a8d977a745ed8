"""Judges a program by LiveCodeBench's test cases, which it receives one at a time.

The judge reads the cases only after it has forked the process that runs the sample, and the expected answers stay in
the judge. It stops a harmless program (its text shows that it can only compute) at its first wrong answer. Any other
program receives all cases, and its answers are compared after it has ended, so that it cannot learn whether an answer
was right. Source: LiveCodeBench/LiveCodeBench, lcb_runner/evaluation/testing_util.py `run_test`, and
lcb_runner/evaluation/compute_code_generation_metrics.py `check_correctness` for the total time limit.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from ..sample.livecodebench import MAX_ANSWER_BYTES, MAX_INTEGER_DIGITS, RunTestCasesWork
from ..shared import codec
from ..shared.messages import CasesHiddenTests, CasesJob, JobPartResult
from ..shared.outcome import Outcome
from ..shared.wire import pack_message
from . import limits
from .comparing.bounded_work import ComparisonUnfinished, compare_with_limits
from .comparing.case_data import LiveCodeBenchCase, MalformedCases, explain_difference, is_equal, parse_test_cases
from .comparing.outputs import COMPARE_S, MAX_INLINE_BYTES, short_repr
from .job import JudgedJob
from .sample_process import SampleProcess

MAX_STORED_BYTES = 256 << 20
"""Most bytes of all answers that the judge stores until it compares them."""
CASE_EXTRA_S, WHOLE_EXTRA_S = 1.0, 5.0
"""Additional seconds for all test cases together: per case, and once."""


class DecodedCase(NamedTuple):
    """A LiveCodeBench test case: texts of stdin and expected stdout, or arguments and expected value of a call."""

    input: Any
    expected: Any


def judge(job: CasesJob, read_hidden_tests: Callable[[], CasesHiddenTests], uid: int, workdir: str) -> JudgedJob:
    """Judges a program by LiveCodeBench's test cases; returns one result, named `cases`.

    `read_hidden_tests` returns the test cases; it is called only after the sample's process is forked, so that the
    process does not inherit the expected answers.
    """
    sys.set_int_max_str_digits(MAX_INTEGER_DIGITS)
    function, case_s = job["function"], job["case_s"]
    work = RunTestCasesWork(job["settings"], job["memory_mb"], job["source"], function, case_s)
    process = SampleProcess(work, uid, workdir)
    hidden_tests = read_hidden_tests()
    try:
        cases = decode_cases(parse_test_cases(hidden_tests["public"], hidden_tests["private"]), function)
    except MalformedCases as error:
        return JudgedJob({"cases": process.end_process(Outcome("infrastructure", str(error)))})
    judge_in_mode = judge_cases if job["harmless"] else judge_cases_after_exit
    result = process.result_or_tampered(lambda: judge_in_mode(process, cases, function, case_s))
    return JudgedJob({"cases": result})


def decode_cases(cases: list[LiveCodeBenchCase], function_name: str) -> list[DecodedCase]:
    """Returns the test cases with their JSON decoded if they call a function; otherwise with unchanged texts.

    `function_name` is the function to call; empty for programs that read stdin. Raises MalformedCases if the arguments
    or the expected value of a call are not JSON.
    """
    if not function_name:
        return [DecodedCase(case.input, case.expected) for case in cases]
    try:
        return [DecodedCase([*map(json.loads, case.input.split("\n"))], json.loads(case.expected)) for case in cases]
    except (ValueError, RecursionError) as error:
        raise MalformedCases(
            f"a LiveCodeBench problem has test cases of function {function_name} that are not valid JSON: {error}"
        ) from None


def judge_cases(
    process: SampleProcess, cases: list[DecodedCase], function_name: str, case_limit_s: float
) -> JobPartResult:
    """Sends test cases to the sample's process until an answer is wrong; the returned status is `passed` if none is."""
    if not cases:
        return process.end_process(Outcome("failed", "the problem has no test cases, so no program can pass"))
    start_sample_with_case_limits(process, len(cases), case_limit_s)
    for number, case in enumerate(cases, start=1):
        process.send(pack_message(case.input))
        frame = process.next_message()
        process.call_s = case_limit_s + CASE_EXTRA_S
        if frame is None or frame[0] != b"o":
            result = process.end_without_output(frame)
            result["detail"] = f"case {number} of {len(cases)}: {result['detail']}"
            return result
        wrong = explain_wrong_answer(frame[1], case.expected, function_name)
        if wrong:
            return process.end_process(Outcome("failed", f"case {number} of {len(cases)}: {wrong}"))
    process.send(pack_message(None))
    return process.end_after_message(process.next_message())


def start_sample_with_case_limits(process: SampleProcess, case_count: int, case_limit_s: float) -> None:
    """Starts the sample's code with a time limit for each test case; reports the sum of the limits to the host."""
    total_s = (case_limit_s + CASE_EXTRA_S) * case_count + WHOLE_EXTRA_S
    limits.send_time_limit_to_host(total_s)
    process.call_s = 2 * case_limit_s + CASE_EXTRA_S  # the first case also waits for the load of the program
    process.start_sample([], total_s)


def judge_cases_after_exit(
    process: SampleProcess, cases: list[DecodedCase], function_name: str, case_limit_s: float
) -> JobPartResult:
    """Sends all test cases to the sample's process, and compares the answers after the process has ended.

    Returns the same result as `judge_cases`, but the sample cannot learn whether an answer was right.
    """
    if not cases:
        return process.end_process(Outcome("failed", "the problem has no test cases, so no program can pass"))
    start_sample_with_case_limits(process, len(cases), case_limit_s)
    answers: list[bytes] = []
    for case in cases:
        process.send(pack_message(case.input))
        frame = process.next_message()
        process.call_s = case_limit_s + CASE_EXTRA_S
        if frame is None or frame[0] != b"o":
            break
        answers.append(frame[1])
        if sum(map(len, answers)) > MAX_STORED_BYTES:
            return process.end_process(
                Outcome("failed", f"the program's answers have more than {MAX_STORED_BYTES >> 20} MiB")
            )
    if len(answers) == len(cases):
        process.send(pack_message(None))
        result = process.end_after_message(process.next_message())
    else:
        result = process.end_without_output(frame)
        result["detail"] = f"case {len(answers) + 1} of {len(cases)}: {result['detail']}"
    for number, (answer, case) in enumerate(zip(answers, cases, strict=False), start=1):
        wrong = explain_wrong_answer(answer, case.expected, function_name)
        if wrong:
            result["status"], result["detail"] = "failed", f"case {number} of {len(cases)}: {wrong}"
            break
    return result


def explain_wrong_answer(answer: bytes, expected: Any, function_name: str) -> str:
    """Returns the reason why a program's answer to a test case is wrong; an empty string if it is right.

    Raises ValueError for an answer that the sample's process sends only if the sample has tampered with that process.
    """
    if len(answer) > MAX_ANSWER_BYTES:
        raise ValueError(
            f"the program's answer to a test case has {len(answer)} bytes, more than the limit of {MAX_ANSWER_BYTES}"
        )
    if not function_name:
        return explain_difference(answer.decode("utf-8", "surrogatepass"), expected)
    if answer == codec.encode(expected) and not codec.NAN_BYTES.search(answer):
        return ""
    try:
        if len(answer) <= MAX_INLINE_BYTES:
            wrong = outcome_if_value_is_wrong(answer, expected)
        else:
            wrong = compare_with_limits(lambda: outcome_if_value_is_wrong(answer, expected), COMPARE_S)
    except ComparisonUnfinished:
        return "comparing the returned value with the expected one exceeded its time limit"
    if wrong and wrong.status == "tampered":
        raise ValueError(wrong.detail)
    return wrong.detail if wrong else ""


def outcome_if_value_is_wrong(answer: bytes, expected: Any) -> Outcome | None:
    """Compares an encoded return value (`answer`) with the expected one; returns None if it is right.

    Otherwise returns the outcome: `failed`, or `tampered` for bytes that the sample's process sends only if the
    sample has tampered with that process.
    """
    try:
        returned = codec.decode(answer)
    except ValueError as error:
        return Outcome("tampered", str(error))
    try:
        equal = is_equal(returned, expected)
        return None if equal else Outcome("failed", f"{short_repr(returned)}, expected {short_repr(expected)}")
    except Exception as error:  # of numpy about an array's truth, of deep nesting, or of the comparison
        reason = f"{type(error).__name__} {error}"
        return Outcome("failed", f"{short_repr(returned)} cannot be compared with {short_repr(expected)}: {reason}")
