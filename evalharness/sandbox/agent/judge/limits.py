"""Announces a job's time limit to the host, for jobs whose limit only the agent knows."""

from ..shared import wire
from ..shared.messages import TimeLimitMessage


def announce_time_limit(limit_s: float) -> None:
    """Sends the host the time limit, in seconds, of one run of the job's program. The job's reply follows later."""
    wire.write_reply(1, TimeLimitMessage(limit_s=limit_s))
