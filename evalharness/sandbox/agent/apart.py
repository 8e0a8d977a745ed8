"""Checks that run in a process of their own and call the sample's functions in another, by messages.

What a sample does to assertions, comparisons, builtins, frames or its own process has no effect there: the checks see
plain values alone, decoded by `codec`. Frames from the sample: `v` a value; `r` the handle of something that has no
plain form (a function, an object); `m` the name of a module; `-` no such name; `x` what was raised; and after a call,
`a` the arguments as they are then. `h` comes before a list, dict or set that an object holds, and is its handle.
"""

import builtins
import functools
import importlib
import inspect
import struct
import sys
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np

from . import codec, sample, wire
from .sample import Alarm, Reporter, compiled, level_stack

PLAIN = (*codec.BASES, *codec.VIEWS, type(None), bytearray, range, Decimal, Fraction, np.generic, np.ndarray)
LARGEST = 64 << 20
WAIT_S = 3600.0
HANDLE = struct.Struct("!I")
REMOTE, BUILTIN = "\0remote", "\0builtin"
MUTATORS: dict[type, tuple[str, ...]] = {
    list: (
        *("append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"),
        *("__setitem__", "__delitem__", "__iadd__"),
    ),
    dict: ("update", "pop", "popitem", "setdefault", "clear", "__setitem__", "__delitem__"),
    set: ("add", "discard", "remove", "update", "pop", "clear"),
}


def serve(part: dict[str, Any], reporter: Reporter, alarm: Alarm) -> None:
    """In the sample's process: answers requests until there are no more."""
    level_stack(part["rules"])
    scope: dict[str, Any] = {}
    exec(compiled(part), scope)
    inbox, outbox = part["links"]
    objects: list[Any] = []
    while True:
        try:
            request = codec.decode(wire.read_job(inbox))
        except wire.Closed:
            return
        wire.write_all(outbox, _answer(request, scope, objects))


def _answer(request: Any, scope: dict[str, Any], objects: list[Any]) -> bytes:
    action, handle, name, args, kwargs = _incoming(request, objects)
    try:
        if action == "name":
            if name not in scope:
                return _frame(b"-", b"")
            return _value(scope[name], objects)
        if action == "attribute":
            found = getattr(objects[handle], name)
            objects.append(found)
            own = _frame(b"h", HANDLE.pack(len(objects) - 1)) if type(found) in MUTATORS else b""
            return own + _value(found, objects)
        if action == "method":
            return _value(getattr(objects[handle], name)(*args), objects)
        if action == "set":
            setattr(objects[handle], name, args[0])
            return _value(None, objects)
        if action == "items":
            return _value(list(objects[handle]), objects)
        return _value(objects[handle](*args, **kwargs), objects) + _frame(b"a", codec.encode(args))
    except Exception as error:
        return _frame(b"x", f"{type(error).__name__}:{error}"[:300].encode(errors="replace"))


def _value(value: Any, objects: list[Any]) -> bytes:
    if isinstance(value, ModuleType):
        return _frame(b"m", value.__name__.encode())
    if isinstance(value, PLAIN):
        return _frame(b"v", codec.encode(value if codec.is_plain(value) else _handles(value, objects)))
    objects.append(value)
    return _frame(b"r", HANDLE.pack(len(objects) - 1))


def _handles(value: Any, objects: list[Any]) -> Any:
    """The value with handles in place of the objects in it that have no plain form."""
    if type(value) in (list, tuple):
        return type(value)(_handles(item, objects) for item in value)
    if type(value) is dict:
        return {key: _handles(item, objects) for key, item in value.items()}
    if isinstance(value, PLAIN):
        return value
    objects.append(value)
    return (REMOTE, len(objects) - 1)


def _frame(kind: bytes, payload: bytes) -> bytes:
    return wire.FRAME.pack(kind, len(payload)) + payload


def _incoming(value: Any, objects: list[Any]) -> Any:
    if isinstance(value, tuple) and len(value) == 2 and value[0] == REMOTE:
        return objects[value[1]]
    if isinstance(value, tuple) and len(value) == 2 and value[0] == BUILTIN:
        return getattr(builtins, value[1])
    if type(value) in (list, tuple):
        return type(value)(_incoming(item, objects) for item in value)
    if type(value) is dict:
        return {key: _incoming(item, objects) for key, item in value.items()}
    return value


class Link:
    """The checks' end of the pipes to the sample."""

    def __init__(self, inbox: int, outbox: int):
        self.frames, self.outbox = wire.FrameReader(inbox, LARGEST), outbox

    def ask(self, action: str, handle: int = 0, name: str = "", args: Any = (), kwargs: Any = None) -> Any:
        """What the sample answers. Raises what it raised, KeyError for a name that it lacks."""
        request = codec.encode((action, handle, name, _outgoing(list(args)), _outgoing(kwargs or {})))
        if isinstance(codec.decode(request), codec.Opaque):
            raise TypeError("the checks hand over what cannot travel")
        wire.write_all(self.outbox, wire.pack_job(request))
        kind, payload = self._next()
        if kind == b"h":
            return _mirror(self, HANDLE.unpack(payload)[0], self._revive(*self._next()))
        if kind == b"-":
            raise KeyError(name)
        if kind == b"x":
            raise _raised(*payload.decode(errors="replace").partition(":")[::2])
        if action == "call":
            _restore(list(args), codec.decode(self._next()[1]))
        return self._revive(kind, payload)

    def _next(self) -> tuple[bytes, bytes]:
        while True:
            frame = self.frames.next(WAIT_S)
            if frame is not None:
                return frame

    def _revive(self, kind: bytes, payload: bytes) -> Any:
        if kind == b"v":
            return self._remotes(codec.decode(payload))
        if kind == b"r":
            return Remote(self, HANDLE.unpack(payload)[0])
        name = payload.decode()
        if kind == b"m" and name in sys.stdlib_module_names | {"numpy", "collections.abc", "os.path"}:
            return importlib.import_module(name)
        raise ValueError("an answer that no sample gives")

    def _remotes(self, value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 2 and value[0] == REMOTE and isinstance(value[1], int):
            return Remote(self, value[1])
        if type(value) in (list, tuple):
            return type(value)(self._remotes(item) for item in value)
        if type(value) is dict:
            return {key: self._remotes(item) for key, item in value.items()}
        return value


def _mirror(link: Link, handle: int, value: Any) -> Any:
    """A list, dict or set that an object of the sample's holds: what the checks do to it is done there as well."""
    base = type(value)

    def both(name: str) -> Any:
        def change(self: Any, *args: Any) -> Any:
            link.ask("method", handle, name, args)
            return getattr(base, name)(self, *args)

        return change

    mirror: Any = type(base.__name__, (base,), {name: both(name) for name in MUTATORS[base]})
    return mirror(value)


class Remote:
    """Something of the sample's that has no plain form: it can be called, read, written and iterated.

    It equals itself alone.
    """

    _link: Link
    _handle: int

    def __init__(self, link: Link, handle: int):
        vars(self).update(_link=link, _handle=handle)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._link.ask("call", self._handle, args=args, kwargs=kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._link.ask("attribute", self._handle, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.ask("set", self._handle, name, (value,))

    def __iter__(self) -> Any:
        return iter(self._link.ask("items", self._handle))


def _outgoing(value: Any) -> Any:
    if isinstance(value, Remote):
        return (REMOTE, value._handle)
    base: Any = type(value).__base__
    if base in MUTATORS:
        value = base(value)
    if type(value) in (list, tuple):
        return type(value)(_outgoing(item) for item in value)
    if type(value) is dict:
        return {key: _outgoing(item) for key, item in value.items()}
    name = getattr(value, "__name__", "")
    if inspect.isclass(value) and getattr(builtins, name, None) is value:
        return (BUILTIN, name)
    if not isinstance(value, PLAIN):
        raise TypeError(f"the checks hand over a {type(value).__name__}, which cannot travel")
    return value


def _restore(args: list[Any], now: Any) -> None:
    """Gives the checks' own lists, dicts and sets the contents that the call left in them."""
    for mine, theirs in zip(args, now, strict=True):
        if type(mine) is not type(theirs):
            continue
        if isinstance(mine, list):
            mine[:] = theirs
        elif isinstance(mine, dict | set):
            mine.clear()
            mine.update(theirs)


def _raised(name: str, text: str) -> BaseException:
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(text)
        except Exception:  # one that wants more to be made of, such as UnicodeDecodeError
            pass
    return RuntimeError(f"{name}: {text}")


class Names(dict[str, Any]):
    """The checks' global names: their own, the sample's entry point, the builtins, then others of the sample."""

    def __init__(self, link: Link, entry_point: str):
        super().__init__()
        self.link, self.entry_point = link, entry_point

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name) and name != self.entry_point:
            raise KeyError(name)
        if name in sys.stdlib_module_names and name != self.entry_point:
            return importlib.import_module(name)
        return self.link.ask("name", name=name)


def check(part: dict[str, Any], reporter: Reporter, alarm: Alarm) -> None:
    """In the checks' process: runs the trusted text, then the checks, with the sample's entry point for its own."""
    names = Names(Link(*part["links"]), part["entry_point"])
    alarm.start(part["limits"][0])
    exec(part["trusted"], names)
    names.pop(part["entry_point"], None)
    exec(part["checks"], names)
    alarm.stop()


def _checks_main(part: dict[str, Any], reporter: Reporter, uid: int, workdir: str, links: tuple[int, ...]) -> None:
    sample.main({**part, "rules": {}}, reporter, uid, workdir, links, run=check)


sample_main = functools.partial(sample.main, run=serve)
checks_main = _checks_main
