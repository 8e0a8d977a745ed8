"""A wall clock that does not jump when the system's clock is set, so that measured speeds stay right."""

import time

_STARTED_AT = time.time() - time.monotonic()


def now() -> float:
    """Returns the time in seconds since the epoch, from a clock that does not jump when the system's clock is set."""
    return _STARTED_AT + time.monotonic()
