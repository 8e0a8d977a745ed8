"""What went wrong with a request to an endpoint: the error to retry, and texts for messages."""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

LONGEST_PAUSE_S = 60.0
"""Longest pause in seconds that a Retry-After header can ask for, and longest back-off."""


class AttemptError(Exception):
    """An attempt without a usable answer; another attempt may succeed. The message is one line."""

    def __init__(self, reason: str, retry_after_s: float | None = None, unreached: bool = False) -> None:
        """`retry_after_s` is the pause in seconds that the endpoint asks for.

        `unreached` says that no connection was established.
        """
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.unreached = unreached


def error_message(data: bytes) -> str:
    """Returns the message in the body of an error response, or the body itself, on one line."""
    text = data.decode("utf-8", "replace")
    try:
        message = json.loads(text)
        for key in ("error", "message", "detail"):
            message = (message.get(key) or message) if isinstance(message, dict) else message
    except ValueError:
        message = text
    return " ".join((message if isinstance(message, str) else json.dumps(message)).split())


def describe_error(error: Exception) -> str:
    """Returns an exception on one line, with its type, because many have no text."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__})"
    return " ".join(f"{type(error).__name__}: {error}".split())


def parse_retry_after(value: str) -> float | None:
    """Returns the pause in seconds of a Retry-After header (RFC 9110 section 10.2.3), at most LONGEST_PAUSE_S.

    The header has a number of seconds or an HTTP date. The result is None for any other value.
    """
    if re.fullmatch(r"\d+(\.\d*)?", value.strip()):
        return min(LONGEST_PAUSE_S, float(value))
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    remaining_s = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(LONGEST_PAUSE_S, max(0.0, remaining_s))
