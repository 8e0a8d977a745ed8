"""A strict binary encoding of plain Python values between processes: fast to write, safe to read.

The bytes are those of `marshal` version 2, which is implemented in C and equal for equal values of equal types. Values
of other types (numpy, Decimal, subclasses of the plain types ...) are encoded as tagged tuples; any other value becomes
an `OpaqueValue`. Bytes of a sample never reach `marshal.loads`: `decode` reads a closed set of types.
"""

import marshal
import math
import re
import struct
from collections import Counter, OrderedDict
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np

ATOMIC_TYPES = frozenset({int, bool, str, float, complex, bytes, type(None)})
CONTAINER_TYPES = frozenset({list, tuple, set, frozenset, dict})
BASE_TYPES: tuple[Any, ...] = (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict)
DICT_VIEW_TYPES: dict[type, str] = {type({}.keys()): "keys", type({}.items()): "items"}
NAN_BYTES = re.compile(rb"\x00{6}\xf8[\x7f\xff]")
"""The bytes of a NaN that arithmetic produces. It equals nothing, not even itself."""
CONSTRUCTORS: dict[str, tuple[Any, tuple[type, ...]]] = {
    "Decimal": (Decimal, (str,)),
    "bytearray": (bytearray, (bytes,)),
    "Fraction": (Fraction, (int, int)),
    "range": (range, (int, int, int)),
}
"""Constructor and argument types of each tagged type."""
MAX_RANGE_LENGTH = 1 << 20
"""Most elements of a range that is accepted."""
ALLOWED_DTYPE = re.compile(r"[<>|=]?[biufcSU][0-9]{1,4}")
MAX_VALUES = 8 << 20
"""Most values that are decoded. Elements of ranges and digits of large ints count, because few bytes encode many."""
MAX_DEPTH = 1000
"""Most levels of nesting, for values that contain themselves."""
TAG = Ellipsis
"""The first item of a tagged tuple."""
TaggedTuple = tuple[Any, ...]


class OpaqueValue:
    """Represents a value that cannot be encoded. It equals no value; it is iterable if its items were encoded."""

    def __init__(self, name: str, items: list[Any] | None = None):
        self.name, self.items = name, items

    def __iter__(self) -> Any:
        if self.items is None:
            raise TypeError(f"{self.name!r} object is not iterable")
        return iter(self.items)


def can_be_marshalled(value: Any) -> bool:
    """Returns whether a value and all its nested items have builtin types that `marshal` can encode."""
    level: Iterable[Any] = (value,)
    for _ in range(MAX_DEPTH):
        kinds = set(map(type, level))
        if kinds <= ATOMIC_TYPES:
            return True
        if not kinds <= ATOMIC_TYPES | CONTAINER_TYPES:
            return False
        nested = [item for item in level if type(item) in CONTAINER_TYPES]
        values = [item.values() for item in nested if type(item) is dict]
        level = list(chain(chain.from_iterable(nested), chain.from_iterable(values)))
    return False


def encode(value: Any, encode_items: bool = False) -> bytes:
    """Returns a value encoded as bytes, which `decode` reads. Never raises.

    `encode_items`: encode also the items of an iterable that cannot be encoded itself.
    """
    try:
        plain = type(value) in ATOMIC_TYPES or (type(value) in CONTAINER_TYPES and can_be_marshalled(value))
        return marshal.dumps(value if plain else _to_tagged_tuples(value, encode_items), 2)
    except Exception:  # the value's own code may run here and raise anything, or it is nested too deeply
        return marshal.dumps((TAG, "opaque", _type_name(value), None), 2)


def _type_name(value: Any) -> str:
    try:
        return str(type(value).__name__)
    except Exception:
        return "object"


def _to_tagged_tuples(value: Any, encode_items: bool) -> Any:
    """Returns `value` with each part that is not plain (NumPy, Decimal ...) replaced by a tagged tuple.

    A tagged tuple contains `TAG`, the name of the type, and plain values.
    """
    kind = type(value)
    if kind in ATOMIC_TYPES:
        return value
    if kind is dict:
        return {
            _to_tagged_tuples(key, encode_items): _to_tagged_tuples(item, encode_items) for key, item in value.items()
        }
    if kind in CONTAINER_TYPES:
        return kind(_to_tagged_tuples(item, encode_items) for item in value)
    if kind in (Counter, OrderedDict):
        return (
            TAG,
            kind.__name__,
            [
                (_to_tagged_tuples(key, encode_items), _to_tagged_tuples(item, encode_items))
                for key, item in value.items()
            ],
        )
    if kind in (Decimal, bytearray):
        return (TAG, kind.__name__, str(value) if kind is Decimal else bytes(value))
    if kind is Fraction:
        return (TAG, "Fraction", value.numerator, value.denominator)
    if kind is range and not encode_items:
        return (TAG, "range", value.start, value.stop, value.step)
    text = "SU" if isinstance(value, np.ndarray) else ""  # a numpy scalar of text is a subclass of str or bytes
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in "biufc" + text:
        return (TAG, "numpy", value.dtype.str, None if isinstance(value, np.generic) else value.shape, value.tobytes())
    if kind in DICT_VIEW_TYPES:
        return (TAG, DICT_VIEW_TYPES[kind], [_to_tagged_tuples(item, encode_items) for item in value])
    for base in BASE_TYPES:
        if isinstance(value, base):
            plain = dict(dict.items(value)) if base is dict else base(value)
            return (TAG, "subclass", base.__name__, kind.__name__, _to_tagged_tuples(plain, encode_items))
    return (
        TAG,
        "opaque",
        kind.__name__,
        [_to_tagged_tuples(item, encode_items) for item in value] if encode_items else None,
    )


def _decode_tagged_tuple(tagged: TaggedTuple) -> Any:
    """Returns the value that a tagged tuple (see `_to_tagged_tuples`) represents."""
    kind, rest = tagged[1], tagged[2:]
    if kind in ("Counter", "OrderedDict"):
        return {"Counter": Counter, "OrderedDict": OrderedDict}[kind](dict(rest[0]))
    if kind in CONSTRUCTORS:
        make, types = CONSTRUCTORS[kind]
        if tuple(map(type, rest)) != types:
            raise ValueError(f"an encoded value of type {kind} has constructor arguments of wrong types")
        value = make(*rest)
        if kind == "range" and len(value) > MAX_RANGE_LENGTH:
            raise ValueError(f"an encoded range has more than {MAX_RANGE_LENGTH} elements")
        return value
    if kind == "numpy":
        return _decode_array(*rest)
    if kind in ("keys", "items"):
        return dict.fromkeys(rest[0]).keys() if kind == "keys" else dict(rest[0]).items()
    if kind == "subclass":
        base = {known.__name__: known for known in BASE_TYPES}[rest[0]]
        if type(rest[2]) is not base:
            raise ValueError(
                f"an encoded value of class {rest[1]}, a subclass of {rest[0]}, contains {type(rest[2]).__name__} data"
            )
        return OpaqueValue(rest[1]) if base is bool else type(str(rest[1]), (base,), {})(rest[2])
    if kind == "opaque" and len(rest) == 2 and (rest[1] is None or type(rest[1]) is list):
        return OpaqueValue(str(rest[0]), rest[1])
    raise ValueError(f"an encoded Python value has the unknown type {kind!r}")


def _decode_array(dtype: str, shape: tuple[int, ...] | None, data: bytes) -> Any:
    """Returns a NumPy array, or a scalar if `shape` is None. Raises ValueError if `data` does not have that shape."""
    if not ALLOWED_DTYPE.fullmatch(dtype):
        raise ValueError(f"an encoded NumPy array has dtype {dtype!r}, which is not supported")
    if shape is not None and not (type(shape) is tuple and all(type(size) is int and size >= 0 for size in shape)):
        raise ValueError("the shape of an encoded NumPy array is not a tuple of non-negative integers")
    array = np.frombuffer(data, dtype=np.dtype(dtype))
    if array.size != math.prod(shape or ()):
        raise ValueError(f"an encoded NumPy array has {array.size} elements, which do not fit its shape {shape}")
    return array[0] if shape is None else array.reshape(shape)


class _PlainValueReader:
    """Reads plain values (numbers, strings, lists ...) from bytes in the format of `marshal` version 2.

    Its methods raise an exception for other bytes.
    """

    def __init__(self, data: bytes):
        self.data, self.position, self.remaining_values = data, 0, MAX_VALUES

    def add_to_value_count(self, value_count: int) -> None:
        """Counts decoded values. Raises ValueError if there are more than `MAX_VALUES`."""
        self.remaining_values -= value_count
        if self.remaining_values < 0:
            raise ValueError(f"the bytes encode too many values, more than {MAX_VALUES}")

    def read_bytes(self, size: int) -> bytes:
        """Returns the next `size` bytes. Raises ValueError if there are fewer."""
        if size < 0 or self.position + size > len(self.data):
            raise ValueError("the encoded bytes end in the middle of a value")
        part = self.data[self.position : self.position + size]
        self.position += size
        return part

    def read_number(self, struct_format: str = "<i") -> Any:
        """Reads a number in a format of the module `struct`, by default a 32-bit integer."""
        return struct.unpack(struct_format, self.read_bytes(struct.calcsize(struct_format)))[0]

    def read_value(self) -> Any:
        """Reads one value, including its nested values."""
        self.add_to_value_count(1)
        code = self.read_bytes(1)
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code == b"i":
            return self.read_number()
        if code == b"g":
            return self.read_number("<d")
        if code == b"y":
            return complex(self.read_number("<d"), self.read_number("<d"))
        if code in b"su":
            data = self.read_bytes(self.read_number())
            return data if code == b"s" else data.decode("utf-8", "surrogatepass")
        if code == b"l":
            return self.read_big_integer()
        if code == b"{":
            return dict(self.read_dict_items())
        if code in b"([<>":
            count = self.read_number()
            if count < 0:
                raise ValueError(f"an encoded list, tuple or set has a negative number of items: {count}")
            items = [self.read_value() for _ in range(count)]
            if code == b"(" and len(items) > 1 and items[0] is TAG:
                value = _decode_tagged_tuple(tuple(items))
                self.add_to_value_count(len(value) if type(value) is range else 0)
                return value
            return {b"(": tuple, b"[": list, b"<": set, b">": frozenset}[code](items)
        raise ValueError(f"an encoded Python value begins with the unknown type code {code!r}")

    def read_big_integer(self) -> int:
        """Reads an integer of any length: a count of 15-bit digits, negative for a negative integer, and the digits."""
        count = self.read_number()
        self.add_to_value_count(abs(count))
        digits = struct.unpack(f"<{abs(count)}H", self.read_bytes(2 * abs(count)))
        total = int.from_bytes(_pack_15_bit_digits(digits), "little")
        return -total if count < 0 else total

    def read_dict_items(self) -> Iterable[tuple[Any, Any]]:
        """Yields the keys and values of a dict up to the byte that ends it."""
        while self.data[self.position : self.position + 1] != b"0":
            yield self.read_value(), self.read_value()
        self.read_bytes(1)


def _pack_15_bit_digits(digits: tuple[int, ...]) -> bytes:
    """Returns an integer as little-endian bytes, from its digits of 15 bits, the lowest first."""
    # Joining the digits as text of bits takes linear time, shifting quadratic.
    bits = "".join(f"{digit:015b}" for digit in reversed(digits))
    return int(bits or "0", 2).to_bytes(len(bits) // 8 + 1, "little")


_CONSTANTS = {b"N": None, b"T": True, b"F": False, b".": TAG}


def decode(data: bytes) -> Any:
    """Returns the value encoded in `data`, untrusted bytes. Raises ValueError for bytes that `encode` never returns."""
    reader = _PlainValueReader(data)
    try:
        value = reader.read_value()
    except Exception as error:  # of the many types that malformed bytes lead to
        raise ValueError(f"the bytes do not encode a plain value (number, string, list ...): {error}") from None
    if reader.position != len(data):
        raise ValueError("further bytes follow the encoded value")
    return value
