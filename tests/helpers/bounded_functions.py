"""Functions that child processes call in the tests of bounded calls."""

import os
import signal


def doubled(text: str) -> str:
    return text + text


def spin() -> None:
    while True:
        pass


def grow() -> int:
    return len(bytearray(2 << 30))


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def complain(text: str) -> None:
    raise KeyError(text)


def process_id() -> int:
    return os.getpid()


def values() -> list[object]:
    return [None, True, 1.5, "\ud800 é", {"a": [1]}]
