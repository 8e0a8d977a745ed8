"""Names of signals."""

import os
import signal


def signal_name(wait_status: int) -> str:
    """Returns the name of the signal that ended a process, from its wait status `wait_status`.

    A signal without a name, such as most real-time signals, becomes `signal NUMBER`.
    """
    number = os.WTERMSIG(wait_status)
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
