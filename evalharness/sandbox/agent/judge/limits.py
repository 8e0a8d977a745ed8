"""Announces a job's time limit to the host, for jobs whose limit only the agent knows."""

from ..shared import wire
from ..shared.messages import TimeLimitMessage


def announce_time_limit(limit_s: float) -> None:
    """Sends the host a job's time limit for one run, in seconds; the reply follows later."""
    wire.write_reply(1, TimeLimitMessage(limit_s=limit_s))
