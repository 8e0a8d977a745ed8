"""Serves calls to a sample's functions from its checks, which run in a separate process (judge/split_checks.py).

Whatever a sample does to assertions, comparisons, builtins, frames or its own process has no effect on the checks: they
see only plain values, decoded by `codec`. Frames of the sample: `v` a value; `r` the handle (a number) of an object
that cannot be encoded, such as a function; `m` the name of a module; `-` no such name; `x` an exception; and after a
call, `a` the arguments as the call left them. `h` precedes the value of a list, dict or set that an object holds and is
its handle.
"""

import builtins
import struct
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np

from ..shared import codec, wire
from ..shared.messages import ProcessSettings
from .alarm import Alarm
from .reporter import Reporter
from .running import compile_program, set_recursion_limit

PLAIN_TYPES = (
    *codec.BASE_TYPES,
    *codec.DICT_VIEW_TYPES,
    type(None),
    bytearray,
    range,
    Decimal,
    Fraction,
    np.generic,
    np.ndarray,
)
HANDLE_FORMAT = struct.Struct("!I")
REMOTE_TAG, BUILTIN_TAG = "\0remote", "\0builtin"
"""The first items of pairs that represent an object of the sample, by its handle, and a builtin, by its name."""
MUTATING_METHODS: dict[type, tuple[str, ...]] = {
    list: (
        *("append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"),
        *("__setitem__", "__delitem__", "__iadd__"),
    ),
    dict: ("update", "pop", "popitem", "setdefault", "clear", "__setitem__", "__delitem__"),
    set: ("add", "discard", "remove", "update", "pop", "clear"),
}
"""The methods that change a value, by its type."""


@dataclass
class ServeCallsWork:
    """Runs the sample, then answers requests of the checks' process to read or call the sample's objects.

    Reads requests from the pipe `inbox` until the pipe's end, and writes answers to the pipe `outbox`. A `SampleWork`.
    """

    settings: ProcessSettings
    memory_mb: int
    source: str
    inbox: int
    outbox: int

    def prepare(self, source_with_checks: str) -> None:
        """Does nothing: this process needs no text from the judge at its start."""

    def run(self, time_limits_s: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Loads the program, then answers the requests of the checks' process until its pipe ends.

        Raises what the program raises when it is loaded; sends exceptions of later calls to the checks' process.
        """
        set_recursion_limit(self.settings)
        scope: dict[str, Any] = {}
        exec(compile_program(self.source), scope)
        objects: list[Any] = []
        while True:
            try:
                request = codec.decode(wire.read_message(self.inbox))
            except wire.StreamClosed:
                return
            wire.write_all(self.outbox, _answer_request(request, scope, objects))


def _answer_request(request: Any, program_globals: dict[str, Any], objects_by_handle: list[Any]) -> bytes:
    action, handle, name, args, kwargs = _replace_handles_by_objects(request, objects_by_handle)
    try:
        if action == "name":
            if name not in program_globals:
                return _pack_frame(b"-", b"")
            return _encode_value(program_globals[name], objects_by_handle)
        if action == "attribute":
            value = getattr(objects_by_handle[handle], name)
            objects_by_handle.append(value)
            handle_frame = (
                _pack_frame(b"h", HANDLE_FORMAT.pack(len(objects_by_handle) - 1))
                if type(value) in MUTATING_METHODS
                else b""
            )
            return handle_frame + _encode_value(value, objects_by_handle)
        if action == "method":
            return _encode_value(getattr(objects_by_handle[handle], name)(*args), objects_by_handle)
        if action == "set":
            setattr(objects_by_handle[handle], name, args[0])
            return _encode_value(None, objects_by_handle)
        if action == "items":
            return _encode_value(list(objects_by_handle[handle]), objects_by_handle)
        return _encode_value(objects_by_handle[handle](*args, **kwargs), objects_by_handle) + _pack_frame(
            b"a", codec.encode(args)
        )
    except Exception as error:
        return _pack_frame(b"x", codec.encode((type(error).__name__[:100], str(error)[:300])))


def _encode_value(value: Any, objects_by_handle: list[Any]) -> bytes:
    if isinstance(value, ModuleType):
        return _pack_frame(b"m", value.__name__.encode())
    if isinstance(value, PLAIN_TYPES):
        return _pack_frame(
            b"v",
            codec.encode(
                value if codec.can_be_marshalled(value) else _replace_objects_by_handles(value, objects_by_handle)
            ),
        )
    objects_by_handle.append(value)
    return _pack_frame(b"r", HANDLE_FORMAT.pack(len(objects_by_handle) - 1))


def _replace_objects_by_handles(value: Any, objects_by_handle: list[Any]) -> Any:
    """Returns the value with a handle in place of each object that cannot be encoded.

    Appends these objects to `objects_by_handle`; a handle is the object's index there.
    """
    if type(value) in (list, tuple):
        return type(value)(_replace_objects_by_handles(item, objects_by_handle) for item in value)
    if type(value) is dict:
        return {key: _replace_objects_by_handles(item, objects_by_handle) for key, item in value.items()}
    if isinstance(value, PLAIN_TYPES):
        return value
    objects_by_handle.append(value)
    return (REMOTE_TAG, len(objects_by_handle) - 1)


def _pack_frame(kind: bytes, payload: bytes) -> bytes:
    return wire.FRAME_HEADER.pack(kind, len(payload)) + payload


def _replace_handles_by_objects(value: Any, objects_by_handle: list[Any]) -> Any:
    if isinstance(value, tuple) and len(value) == 2 and value[0] == REMOTE_TAG:
        return objects_by_handle[value[1]]
    if isinstance(value, tuple) and len(value) == 2 and value[0] == BUILTIN_TAG:
        return getattr(builtins, value[1])
    if type(value) in (list, tuple):
        return type(value)(_replace_handles_by_objects(item, objects_by_handle) for item in value)
    if type(value) is dict:
        return {key: _replace_handles_by_objects(item, objects_by_handle) for key, item in value.items()}
    return value
