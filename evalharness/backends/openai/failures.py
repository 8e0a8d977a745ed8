"""Failures of requests to an endpoint: exceptions that say what to do next, and one-line error texts."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from evalharness.errors import InfrastructureError

LONGEST_PAUSE_S = 60.0
"""Longest pause in seconds that a Retry-After header can ask for, and longest back-off."""
PROMPT_STATUSES = frozenset({400, 413, 422, 451})
"""HTTP status codes with which an endpoint may refuse a single prompt."""
_MESSAGE_KEYS = ("error", "errors", "message", "detail", "msg", "error_msg", "error_message", "title")
"""JSON keys, also nested, under which endpoints send an error message."""
_HTML = re.compile(r"\s*<(?:!doctype|html|head|body|center|title)\b", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_LONGEST_PAGE = 8_000
"""Characters of an HTML error page that are searched for its text."""


class AttemptError(Exception):
    """One attempt of a request failed; another attempt may succeed. The message is one line."""

    def __init__(self, reason: str, retry_after_s: float | None = None, unreached: bool = False) -> None:
        """`retry_after_s`: the pause that the endpoint asks for; `unreached`: no connection was established."""
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.unreached = unreached


class RequestNotSent(InfrastructureError):
    """The request was not sent, because too many earlier requests failed. The message is one line."""


class PromptRefused(Exception):
    """The endpoint refuses this prompt, also in a retry; it may accept other prompts. The message is one line."""


class TokenLimitFieldRefused(Exception):
    """The endpoint rejects the name of the request field for the token limit, such as `max_tokens`."""


def find_reported_error(response: Mapping[str, Any]) -> Exception | None:
    """Returns the exception for the error that a JSON response with HTTP status 200 reports; None if it reports none.

    Endpoints report an error under `error` or `choices[0].error`, or send an error object instead of an answer.
    """
    choices = response.get("choices") or [{}]
    error = response.get("error") or choices[0].get("error")
    if not error:
        if response.get("choices") or response.get("usage") or not _is_error_object(response):
            return None
        error = response
    details = error if isinstance(error, Mapping) else {}
    message = f"the endpoint reports: {parse_error_message(json.dumps(error).encode())}"
    codes = {str(details.get(key)) for key in ("code", "status", "status_code", "type")}
    refused = codes & {*map(str, PROMPT_STATUSES), "invalid_request_error", "context_length_exceeded", "content_filter"}
    return PromptRefused(message) if refused else AttemptError(message)


def _is_error_object(response: Mapping[str, Any]) -> bool:
    """Returns whether a response without an answer has the type, code or message of an error object."""
    named = any("error" in str(response.get(key, "")).lower() for key in ("object", "type", "status"))
    codes = [response.get(key) for key in ("code", "status", "status_code", "error_code")]
    has_code = any(isinstance(code, int) and code >= 400 for code in codes)
    return (
        named or has_code or any(response.get(key) and isinstance(response[key], str | list) for key in _MESSAGE_KEYS)
    )


def parse_error_message(body: bytes) -> str:
    """Returns the error message in a response's body (JSON, an HTML page, or plain text) as one line."""
    text = body.decode("utf-8-sig", "replace")
    try:
        message = _innermost_error_message(json.loads(text))
    except (ValueError, RecursionError):
        message = _text_of_html_page(text) if _HTML.match(text) else text
    return " ".join((message if isinstance(message, str) else json.dumps(message)).split())


def _innermost_error_message(json_value: Any) -> Any:
    """Returns the error message under nested keys such as `error.message`; `json_value` itself if there is none."""
    for _ in range(len(_MESSAGE_KEYS)):
        json_value = json_value[0] if isinstance(json_value, list) and json_value else json_value
        inner = (
            next((json_value[key] for key in _MESSAGE_KEYS if json_value.get(key)), None)
            if isinstance(json_value, dict)
            else None
        )
        if inner is None:
            return json_value
        json_value = inner
    return json_value


def _text_of_html_page(html: str) -> str:
    body = re.sub(r"(?s)<(style|script)\b.*?</\1>", " ", html[:_LONGEST_PAGE])
    return f"an HTML page: {_TAG.sub(' ', body).strip() or '(empty)'}"


def describe_error(error: Exception) -> str:
    """Returns one line that describes an exception: the kind of timeout, or else the exception's type and message."""
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection to the endpoint within the time limit ({type(error).__name__})"
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return (
            f"no answer from the endpoint within the time limit ({type(error).__name__}); raise --option timeout_s "
            "or idle_timeout_s"
        )
    return " ".join(f"{type(error).__name__}: {error}".split())


def parse_retry_after(header_value: str) -> float | None:
    """Returns the pause in seconds that a Retry-After header asks for (RFC 9110), at most LONGEST_PAUSE_S.

    The header's value is a number of seconds or an HTTP date. The result is None for any other value.
    """
    if re.fullmatch(r"\d+(\.\d*)?", header_value.strip()):
        return min(LONGEST_PAUSE_S, float(header_value))
    try:
        date = parsedate_to_datetime(header_value)
    except (ValueError, TypeError):
        return None
    remaining_s = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(LONGEST_PAUSE_S, max(0.0, remaining_s))
