"""Names of signals."""

import os
import signal


def signal_name(code: int) -> str:
    """Returns the name of the signal that ended a process, from its wait status.

    Most real-time signals have only a number.
    """
    number = os.WTERMSIG(code)
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
