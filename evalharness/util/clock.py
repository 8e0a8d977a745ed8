"""A wall clock that cannot jump: setting the system's clock during a run changes no measured speed."""

import time

_STARTED_AT = time.time() - time.monotonic()


def now() -> float:
    """Returns seconds since the epoch: the time at which the process started plus the monotonic time since then."""
    return _STARTED_AT + time.monotonic()
