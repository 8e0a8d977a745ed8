"""Announces a job's time limit to the host, for jobs whose limit only the agent knows."""

from ..shared import wire
from ..shared.messages import TimeLimitMessage


def send_time_limit_to_host(limit_s: float) -> None:
    """Sends the host the time limit, in seconds, of one run of the job's program, before the job's reply."""
    wire.write_reply(1, TimeLimitMessage(limit_s=limit_s))
