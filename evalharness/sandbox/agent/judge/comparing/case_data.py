"""Parses LiveCodeBench's test cases, and compares answers with them by the official rules.

Source: LiveCodeBench/LiveCodeBench, lcb_runner/benchmarks/code_generation.py `CodeGenerationProblem` for the fields,
lcb_runner/evaluation/testing_util.py `grade_stdio`, `grade_call_based` for the comparisons.
"""

import base64
import binascii
import json
import pickletools
import zlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

MAX_TEST_BYTES = 1 << 30
"""Most bytes of a problem's private tests when they are decompressed."""
TEXT_OPCODES = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE")
HARMLESS_OPCODES = (*TEXT_OPCODES, "PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "STOP")


class MalformedCases(ValueError):
    """Raised for test cases that cannot be parsed: an error in the benchmark's data, not in the sample."""


@dataclass(frozen=True)
class LiveCodeBenchCase:
    """A LiveCodeBench test case: a program's input and its expected output, as texts."""

    input: str
    expected: str


def parse_test_cases(public_cases_json: str, private_cases_text: str) -> list[LiveCodeBenchCase]:
    """Returns the public and then the private test cases of a LiveCodeBench problem.

    `public_cases_json` is the field `public_test_cases` of the problem's record, and `private_cases_text` its field
    `private_test_cases` (JSON, possibly compressed). Raises MalformedCases if they cannot be parsed.
    """
    try:
        rows = json.loads(public_cases_json) + (_decode_private_cases(private_cases_text) if private_cases_text else [])
        return [LiveCodeBenchCase(_require_string(row["input"]), _require_string(row["output"])) for row in rows]
    except MalformedCases:
        raise
    except Exception as error:  # of the many types that malformed data lead to
        raise MalformedCases(
            f"a LiveCodeBench problem's test cases cannot be parsed: {type(error).__name__}: {error}"
        ) from None


def _require_string(value: Any) -> str:
    if not isinstance(value, str):
        raise MalformedCases(
            f"a LiveCodeBench test case has an input or output of type {type(value).__name__}, not string"
        )
    return value


def _decode_private_cases(cases_text: str) -> Any:
    try:
        return json.loads(cases_text)
    except ValueError:
        return json.loads(read_pickled_string(_decompress_cases(cases_text)))


def _decompress_cases(cases_text: str) -> bytes:
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(cases_text), MAX_TEST_BYTES)
    except (zlib.error, binascii.Error) as error:
        raise MalformedCases(
            f"a LiveCodeBench problem's private tests are neither JSON nor compressed JSON: {error}"
        ) from None
    if unpacker.unconsumed_tail:
        raise MalformedCases(
            f"a LiveCodeBench problem's private tests are larger than {MAX_TEST_BYTES >> 20} MiB when decompressed"
        )
    if not unpacker.eof:
        raise MalformedCases(
            "a LiveCodeBench problem's compressed private tests end too early; download the data set again"
        )
    return data


def read_pickled_string(data: bytes) -> str:
    """Returns the string in pickled `data` without unpickling it, which could run code.

    Raises MalformedCases if `data` contains anything but one string.
    """
    texts = []
    for opcode, value, _ in pickletools.genops(data):
        if opcode.name not in HARMLESS_OPCODES:
            raise MalformedCases(
                f"a LiveCodeBench problem's private tests are a pickle of other objects than a string: {opcode.name}"
            )
        if opcode.name in TEXT_OPCODES:
            texts.append(value)
    if len(texts) != 1:
        raise MalformedCases(
            f"a LiveCodeBench problem's private tests are a pickle of {len(texts)} strings instead of one"
        )
    return str(texts[0])


def explain_difference(printed: str, expected: str) -> str:
    """Returns how a program's printed text differs from the expected one; an empty string if they are equal.

    Compares line by line and ignores surrounding spaces. Two lines are also equal if they consist of equal numbers.
    """
    printed, expected = printed.strip(), expected.strip()
    lines = expected.count("\n") + 1
    printed_lines = printed.count("\n") + 1
    if printed_lines != lines:
        return f"{printed_lines} lines were printed, not {lines}"
    for number, (line, expected_line) in enumerate(
        zip(printed.split("\n"), expected.split("\n"), strict=True), start=1
    ):
        line, expected_line = line.strip(), expected_line.strip()
        if line != expected_line and not _have_equal_numbers(line, expected_line):
            return f"line {number}: {_shorten_line(line)}, expected {_shorten_line(expected_line)}"
    return ""


def _have_equal_numbers(line: str, expected_line: str) -> bool:
    words, numbers = line.split(), expected_line.split()
    if len(words) != len(numbers):
        return False
    try:
        return all(Decimal(word) == Decimal(number) for word, number in zip(words, numbers, strict=True))
    except ArithmeticError:
        return False


def is_equal(returned: Any, expected: Any) -> bool:
    """Returns whether `returned == expected` in Python; a returned tuple counts as a list.

    Raises what the comparison raises, as the official grader does: for example, NumPy arrays have no truth value.
    """
    if isinstance(returned, tuple):
        returned = list(returned)
    return bool(returned == expected)


def _shorten_line(line: str) -> str:
    text = repr(line)
    return text if len(text) <= 80 else text[:77] + "..."
