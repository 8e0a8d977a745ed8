"""A wall clock that does not jump when the system's clock is set, so that measured speeds stay right."""

import time

_STARTED_AT = time.time() - time.monotonic()


def now() -> float:
    """Returns seconds since the epoch by a clock that never jumps, even if the system's clock is set."""
    return _STARTED_AT + time.monotonic()
