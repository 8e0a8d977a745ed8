"""The time of day without its jumps: a clock that is set while a run is under way changes no speed."""

import time

_BEGAN_AT = time.time() - time.monotonic()


def now() -> float:
    """Seconds since the epoch, as the clock stood when the process began and has ticked, not been set, since."""
    return _BEGAN_AT + time.monotonic()
