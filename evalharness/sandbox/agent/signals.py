"""Names of signals."""

import os
import signal


def signal_name(code: int) -> str:
    """The signal that ended a process, by its wait status. Most real-time signals have no name of their own."""
    number = os.WTERMSIG(code)
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
