"""Runs a sample's checks in a separate process, which calls the sample's functions by messages.

The sample's process runs sample/split_process.py, which also describes the messages.
"""

import ast
import builtins
import importlib
import inspect
import sys
from dataclasses import dataclass
from typing import Any

from ..sample.alarm import Alarm
from ..sample.reporter import Reporter
from ..sample.running import NO_SETTINGS
from ..sample.split_process import BUILTIN_TAG, HANDLE_FORMAT, MUTATING_METHODS, PLAIN_TYPES, REMOTE_TAG
from ..shared import codec, wire

MAX_MESSAGE_BYTES = 64 << 20
"""Most bytes of a message from the sample."""
CANNOT_BE_SENT = (
    "cannot be sent to the sample's process, so the tests fail; use numbers, strings, lists and dicts in the tests"
)
WAIT_S = 3600.0
"""Seconds to wait for a message; the judge limits the total time."""


class SampleConnection:
    """The connection from the checks' process to the sample's process, which runs the calls that the checks make."""

    def __init__(self, inbox: int, outbox: int):
        """`inbox` and `outbox`: descriptors of the pipes from and to the sample's process."""
        self.frames, self.outbox = wire.FrameReader(inbox, MAX_MESSAGE_BYTES), outbox

    def send_request(
        self, action: str, object_handle: int = 0, name: str = "", args: Any = (), kwargs: Any = None
    ) -> Any:
        """Sends the sample's process a request about one of the sample's objects; returns the answer.

        `action` is `call`, `attribute`, `method`, `set`, `items` or `name`; `object_handle` is the object's number in
        that process. Raises what the sample raised, and KeyError for a name that the sample does not define.
        """
        request = codec.encode(
            (
                action,
                object_handle,
                name,
                _replace_objects_by_handles(list(args)),
                _replace_objects_by_handles(kwargs or {}),
            )
        )
        if isinstance(codec.decode(request), codec.OpaqueValue):
            raise TypeError(f"the tests call the sample's function with a value that {CANNOT_BE_SENT}")
        wire.write_all(self.outbox, wire.pack_message(request))
        kind, payload = self._next_message()
        if kind == b"h":
            return _synchronized_copy(
                self, HANDLE_FORMAT.unpack(payload)[0], self._decode_answer(*self._next_message())
            )
        if kind == b"-":
            raise KeyError(name)
        if kind == b"x":
            raised_type, text = codec.decode(payload)
            raise _recreate_exception(str(raised_type), str(text))
        if action == "call":
            _update_arguments(list(args), codec.decode(self._next_message()[1]))
        return self._decode_answer(kind, payload)

    def _next_message(self) -> wire.Frame:
        while True:
            frame = self.frames.next_message(WAIT_S)
            if frame is not None:
                return frame

    def _decode_answer(self, kind: bytes, payload: bytes) -> Any:
        if kind == b"v":
            return self._replace_handles_by_proxies(codec.decode(payload))
        if kind == b"r":
            return RemoteObject(self, HANDLE_FORMAT.unpack(payload)[0])
        name = payload.decode()
        if kind == b"m" and name in sys.stdlib_module_names | {"numpy", "collections.abc", "os.path"}:
            return importlib.import_module(name)
        raise ValueError(f"the sample's process answered a call with a message of unknown kind {kind!r}")

    def _replace_handles_by_proxies(self, value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 2 and value[0] == REMOTE_TAG and isinstance(value[1], int):
            return RemoteObject(self, value[1])
        if type(value) in (list, tuple):
            return type(value)(self._replace_handles_by_proxies(item) for item in value)
        if type(value) is dict:
            return {key: self._replace_handles_by_proxies(item) for key, item in value.items()}
        return value


def _synchronized_copy(connection: SampleConnection, handle: int, value: Any) -> Any:
    """Returns a copy of `value`, a list, dict or set of the sample; changing the copy also changes the original.

    `handle` is the original's number in the sample's process.
    """
    base = type(value)

    def make_synchronized_method(name: str) -> Any:
        def call_on_copy_and_original(self: Any, *args: Any) -> Any:
            connection.send_request("method", handle, name, args)
            return getattr(base, name)(self, *args)

        return call_on_copy_and_original

    mirror: Any = type(
        base.__name__, (base,), {name: make_synchronized_method(name) for name in MUTATING_METHODS[base]}
    )
    return mirror(value)


class RemoteObject:
    """A proxy for an object in the sample's process: it supports calls, iteration, and reading and setting attributes.

    It is equal only to itself.
    """

    _link: SampleConnection
    _handle: int

    def __init__(self, link: SampleConnection, handle: int):
        vars(self).update(_link=link, _handle=handle)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._link.send_request("call", self._handle, args=args, kwargs=kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._link.send_request("attribute", self._handle, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.send_request("set", self._handle, name, (value,))

    def __iter__(self) -> Any:
        return iter(self._link.send_request("items", self._handle))


def _replace_objects_by_handles(value: Any) -> Any:
    if isinstance(value, RemoteObject):
        return (REMOTE_TAG, value._handle)
    base: Any = type(value).__base__
    if base in MUTATING_METHODS:
        value = base(value)
    if type(value) in (list, tuple):
        return type(value)(_replace_objects_by_handles(item) for item in value)
    if type(value) is dict:
        return {key: _replace_objects_by_handles(item) for key, item in value.items()}
    name = getattr(value, "__name__", "")
    if inspect.isclass(value) and getattr(builtins, name, None) is value:
        return (BUILTIN_TAG, name)
    if not isinstance(value, PLAIN_TYPES):
        raise TypeError(
            f"the tests call the sample's function with a value of type {type(value).__name__}, which {CANNOT_BE_SENT}"
        )
    return value


def _update_arguments(args: list[Any], changed_args: Any) -> None:
    """Makes the same changes to the lists, dicts and sets in `args` that the sample's function made to its copies.

    `changed_args` are the copies after the call.
    """
    for mine, theirs in zip(args, changed_args, strict=True):
        if type(mine) is not type(theirs):
            continue
        if isinstance(mine, list):
            mine[:] = theirs
        elif isinstance(mine, dict | set):
            mine.clear()
            mine.update(theirs)


def _recreate_exception(class_name: str, message: str) -> BaseException:
    kind = getattr(builtins, class_name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(message)
        except Exception:  # its constructor needs other arguments, as UnicodeDecodeError's does
            pass
    return RuntimeError(f"{class_name}: {message}")


class CheckNamespace(dict[str, Any]):
    """The global names that the checks can use.

    A name is looked up in this order: the checks' own names, the sample's entry point, builtins and standard modules,
    other names of the sample.
    """

    def __init__(self, link: SampleConnection, entry_point: str):
        super().__init__()
        self.link, self.entry_point = link, entry_point

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name) and name != self.entry_point:
            raise KeyError(name)
        if name in sys.stdlib_module_names and name != self.entry_point:
            return importlib.import_module(name)
        return self.link.send_request("name", name=name)


@dataclass
class RunChecksWork:
    """Runs a task's trusted code and then its checks, which call the sample's function `entry_point` by messages.

    This is the work of the checks' process (a `SampleWork`).
    """

    memory_mb: int
    trusted: str
    checks: str
    entry_point: str
    inbox: int
    outbox: int
    settings = NO_SETTINGS

    def prepare(self, source_with_checks: str) -> None:
        """Does nothing: the checks' process needs no text from the judge at its start."""

    def run(self, time_limits_s: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Runs the checks. Raises the first exception that they raise."""
        names = CheckNamespace(SampleConnection(self.inbox, self.outbox), self.entry_point)
        alarm.start(time_limits_s[0])
        exec(self.trusted, names)
        names.pop(self.entry_point, None)
        failures: list[BaseException] = []
        names[FAILURES] = failures
        exec(compile(parse_checks_collecting_failures(self.checks), "<checks>", "exec", dont_inherit=True), names)
        alarm.stop()
        if failures:
            raise failures[0]


FAILURES = "__failures__"
"""The global name of the list that collects failed assertions."""


def parse_checks_collecting_failures(checks: str) -> ast.Module:
    """Returns the checks' syntax tree, changed to continue after a failed assertion and store its exception.

    The checks append the exceptions to the global list `FAILURES`. Thus the sample receives all calls whatever it
    answers, and cannot learn whether an answer was right.
    """
    tree = ast.parse(checks)
    _ContinueAfterFailure().visit(tree)
    return ast.fix_missing_locations(tree)


class _ContinueAfterFailure(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        (statement,) = ast.parse(f"try: pass\nexcept Exception as __error__: {FAILURES}.append(__error__)").body
        assert isinstance(statement, ast.Try)
        statement.body = [node]
        return ast.copy_location(statement, node)
