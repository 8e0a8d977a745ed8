"""Tells the host the time limit of a job that the host cannot know, so that its watchdog can bound the job's time."""

from ..shared import wire
from ..shared.messages import Limit


def announce(limit_s: float) -> None:
    """Sends the time limit of the job, without canaries and further runs. The reply follows later."""
    wire.write_reply(1, Limit(limit_s=limit_s))
