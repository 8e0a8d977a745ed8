"""The codec refuses objects that disturb the encoding, and bytes that it did not encode."""

import contextlib
import marshal
import subprocess
import sys
from typing import Any

import pytest
from helpers.plain_values import plain_values
from helpers.steady import steady
from hypothesis import given
from hypothesis import strategies as st

from evalharness.sandbox.agent.shared import codec
from evalharness.sandbox.agent.shared.codec import TAG, decode, encode

KINDS = ["Counter", "OrderedDict", "Decimal", "bytearray", "Fraction", "range", "numpy", "keys", "items", "subclass"]
NAMES = ["int", "list", "dict", "bool", "bytes", "str", "<i8", "O", "V8", "<U4", "M8[s]", "a,b", "i4,(2,)f8", ""]
small_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 99), st.floats(-9, 9), st.text(max_size=3), st.binary()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=6,
)


def decodes_or_refuses(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode(data)


@steady
@given(st.binary())
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    decodes_or_refuses(data)


@steady
@given(plain_values, st.integers(0), st.binary(max_size=4), st.integers(0, 4))
def test_changed_bytes_are_decoded_or_refused(value: Any, place: int, new: bytes, cut: int) -> None:
    data = encode(value)
    at = place % len(data)
    decodes_or_refuses(data[:at] + new + data[at + cut :])


@steady
@given(st.sampled_from(KINDS), st.lists(st.one_of(st.sampled_from(NAMES), small_values), max_size=4))
def test_forged_tags_are_decoded_or_refused(kind: str, rest: list[Any]) -> None:
    decodes_or_refuses(marshal.dumps((TAG, kind, *rest), 2))


@pytest.mark.parametrize("code", [b"c", b"r\0\0\0\0", b"\xe9\1\0\0\0", b"\xfb\2\0\0\0NN", b"S", b"0", b"I" + bytes(8)])
def test_unused_type_codes_of_marshal_are_refused(code: bytes) -> None:
    with pytest.raises(ValueError, match="do not encode a plain value"):
        decode(code)


@pytest.mark.parametrize(
    "data", [b"", b"i\0", b"NN", b"[\xff\xff\xff\x7f", b"{N", b"(\2\0\0\0.N", b"<\1\0\0\0[\0\0\0\0"]
)
def test_broken_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="value"):
        decode(data)


BOMBS = {
    "dtype with a syntax error": ("numpy", "(,)i4,i4", None, b""),
    "dtype of objects": ("numpy", "O", [1], bytes(8)),
    "dtype of huge items": ("numpy", "V2000000000", None, b""),
    "bytes in an unknown encoding": ("bytearray", "int", "int"),
    "huge bytearray": ("bytearray", 10**18),
    "large bytearray": ("bytearray", 10**11),
    "huge bytes": ("subclass", "bytes", "x", 10**18),
    "many bytes": ("subclass", "bytes", "x", 4 * 10**8),
    "list of a long range": ("subclass", "list", "x", (TAG, "range", 0, 2 * 10**7, 1)),
    "list of a huge range": ("subclass", "list", "x", (TAG, "range", 0, 10**11, 1)),
    "fraction of a huge exponent": ("Fraction", "1e999999999"),
}
TRY_EACH = """
import marshal, os, resource, signal, sys
from evalharness.sandbox.agent.shared.codec import decode
for data in marshal.load(sys.stdin.buffer):
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        signal.alarm(2)
        try:
            decode(data)
        except ValueError:
            pass
        except BaseException as error:
            os.write(1, type(error).__name__.encode())
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 300_000:
            os.write(1, b"much memory")
        os.write(1, b"\\n")
        os._exit(0)
    if os.wait()[1]:
        os.write(1, b"killed\\n")
"""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """By bomb, what went wrong in decoding it within 1 GiB and 2 s; empty if nothing did."""
    data = marshal.dumps([marshal.dumps((TAG, *bomb), 2) for bomb in BOMBS.values()])
    done = subprocess.run([sys.executable, "-c", TRY_EACH], input=data, capture_output=True, check=True)
    return dict(zip(BOMBS, done.stdout.decode().splitlines(), strict=True))


@pytest.mark.parametrize("name", BOMBS)
def test_a_few_bytes_do_not_cause_unbounded_work(name: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name] == ""


class Loud:
    """An object that raises for every operation."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    __iter__ = __eq__ = __hash__ = __len__ = __repr__ = __str__ = __bool__ = __reduce__ = None  # type: ignore[assignment]


class Impostor:
    """An object that claims to be of another type and to have items."""

    def __init__(self, kind: type):
        self.kind = kind

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.kind

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1

    def __int__(self) -> int:
        return 7

    def __iter__(self) -> Any:
        raise KeyError


class Broken(list[int]):
    def __iter__(self) -> Any:
        raise RuntimeError

    def __len__(self) -> int:
        return -1


class Strange(type):
    """A type that equals every type, and so cannot be hashed."""

    def __eq__(cls, other: object) -> bool:
        return True


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError


def hostile() -> dict[str, Any]:
    """Hostile objects by their property."""
    impostors = {f"says that it is {kind.__name__}": Impostor(kind) for kind in codec.BASE_TYPES}
    strange, nameless = Strange("Odd", (), {}), Nameless("None", (), {})
    return {**impostors, "raises": Loud(), "broken list": Broken(), "type equals all": strange(), "no name": nameless()}


@pytest.mark.parametrize("items", [False, True])
@pytest.mark.parametrize("name", hostile())
def test_hostile_objects_raise_nothing_and_equal_nothing(name: str, items: bool) -> None:
    for value in (hostile()[name], [hostile()[name]], {1: hostile()[name]}):
        arrived = decode(encode(value, items))
        assert arrived not in (3, [3], {1: 3})


@pytest.mark.parametrize("value", [[range(1 << 20)] * 9, 1 << (15 * codec.MAX_VALUES)], ids=["ranges", "int"])
def test_few_bytes_that_encode_too_many_values_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="too many values"):
        decode(encode(value))
