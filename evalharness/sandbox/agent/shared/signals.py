"""Names of signals."""

import os
import signal


def signal_name(wait_status: int) -> str:
    """Returns the name of the signal that ended a process; `wait_status` is the status that `os.waitpid` returns.

    A signal without a name, such as most real-time signals, becomes `signal NUMBER`.
    """
    number = os.WTERMSIG(wait_status)
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
