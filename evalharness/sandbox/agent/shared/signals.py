"""Names of signals."""

import os
import signal


def signal_name(code: int) -> str:
    """Returns the name of the signal that ended a process, from its wait status `code`.

    A signal without a name, such as most real-time signals, becomes `signal NUMBER`.
    """
    number = os.WTERMSIG(code)
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
