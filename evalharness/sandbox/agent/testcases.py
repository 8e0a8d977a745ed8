"""The test cases of a problem of LiveCodeBench, in the judge: read from the record's own fields, and compared with.

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

LARGEST_TESTS = 1 << 30
"""Bytes that the private tests of a problem may be when they are unpacked."""
LARGEST_INTEGER = 50_000
"""Digits that an integer may have in a text. Source: lcb_runner/evaluation/compute_code_generation_metrics.py."""
TEXT_OPCODES = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE")
HARMLESS_OPCODES = (*TEXT_OPCODES, "PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "STOP")


class Malformed(ValueError):
    """Test cases that cannot be read: the data are at fault, not the sample."""


@dataclass(frozen=True)
class Case:
    """What a program is given, as text, and what it must answer."""

    given: str
    expected: str


def read_cases(public: str, private: str) -> list[Case]:
    """The cases of the fields `public_test_cases` and `private_test_cases`, in that order. Raises Malformed."""
    try:
        rows = json.loads(public) + (_private(private) if private else [])
        return [Case(_text(row["input"]), _text(row["output"])) for row in rows]
    except Malformed:
        raise
    except Exception as error:  # of the many kinds that malformed data can lead to
        raise Malformed(f"the test cases cannot be read: {type(error).__name__}: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Malformed(f"a test case holds {type(value).__name__} where a text belongs")
    return value


def _private(field: str) -> Any:
    try:
        return json.loads(field)
    except ValueError:
        return json.loads(pickled_text(_inflated(field)))


def _inflated(field: str) -> bytes:
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(field), LARGEST_TESTS)
    except (zlib.error, binascii.Error) as error:
        raise Malformed(f"the private tests are neither JSON nor packed: {error}") from None
    if unpacker.unconsumed_tail:
        raise Malformed(f"the private tests are more than {LARGEST_TESTS >> 20} MiB when unpacked")
    if not unpacker.eof:
        raise Malformed("the private tests break off")
    return data


def pickled_text(data: bytes) -> str:
    """The text that a pickle of one text holds. Nothing is unpickled: the text is read from it. Raises Malformed."""
    texts = []
    for opcode, value, _ in pickletools.genops(data):
        if opcode.name not in HARMLESS_OPCODES:
            raise Malformed(f"the private tests are a pickle of something else than a text: {opcode.name}")
        if opcode.name in TEXT_OPCODES:
            texts.append(value)
    if len(texts) != 1:
        raise Malformed(f"the private tests are a pickle of {len(texts)} texts")
    return str(texts[0])


def why_different(printed: str, expected: str) -> str:
    """Why what was printed is not what was expected; empty where it is.

    Line by line, without spaces around; a line that differs must consist of the same numbers, exactly.
    """
    printed, expected = printed.strip(), expected.strip()
    lines = expected.count("\n") + 1
    found = printed.count("\n") + 1
    if found != lines:
        return f"{found} lines were printed, not {lines}"
    for number, (line, wanted) in enumerate(zip(printed.split("\n"), expected.split("\n"), strict=True), start=1):
        line, wanted = line.strip(), wanted.strip()
        if line != wanted and not _same_numbers(line, wanted):
            return f"line {number}: {_shown(line)}, expected {_shown(wanted)}"
    return ""


def _same_numbers(line: str, wanted: str) -> bool:
    words, numbers = line.split(), wanted.split()
    if len(words) != len(numbers):
        return False
    try:
        return all(Decimal(word) == Decimal(number) for word, number in zip(words, numbers, strict=True))
    except ArithmeticError:
        return False


def is_equal(returned: Any, expected: Any) -> bool:
    """Whether what was returned equals what was expected, by Python's own rules; a tuple stands for a list.

    Whatever numpy's arrays may answer is judged by its truth, as the official grader does, so this may raise.
    """
    if isinstance(returned, tuple):
        returned = list(returned)
    return bool(returned == expected)


def _shown(line: str) -> str:
    text = repr(line)
    return text if len(text) <= 80 else text[:77] + "..."
