"""Classifies HTTP error statuses of an endpoint: retry, skip this prompt, or stop and ask the user."""

import re
from dataclasses import dataclass

from evalharness.backends.openai.address import Address
from evalharness.backends.openai.failures import PROMPT_STATUSES, AttemptError, PromptRefused, TokenLimitFieldRefused
from evalharness.errors import UserError

TOKEN_LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")
"""The field names under which endpoints accept a request's token limit."""
_TEMPORARY = frozenset({408, 425, 429})
"""HTTP status codes below 500 after which a request is retried."""
_TOO_LONG = re.compile(
    r"context (?:length|window|size)|maximum context|(?:prompt|input|request) (?:is )?too (?:long|large)", re.IGNORECASE
)
"""Matches messages about a prompt that exceeds the context length; some servers send them with status 5xx."""
_MODERATED = re.compile(r"moderat|flagged|content.?(?:filter|management|policy)|safety", re.IGNORECASE)
"""Matches messages that report a content filter."""
_UNPAID = re.compile(
    r"insufficient[_ ](?:quota|credits?|balance|funds)|credit balance|exceeded your current quota|billing",
    re.IGNORECASE,
)
"""Matches messages that report an exhausted quota or balance."""
_UNKNOWN_FIELD = re.compile(
    r"unsupported|not (?:supported|permitted|allowed)|unrecogni[sz]ed|unknown|unexpected|deprecated", re.IGNORECASE
)


@dataclass(frozen=True)
class ErrorStatus:
    """An endpoint's response with an HTTP status other than 200, and facts about the request."""

    code: int
    message: str
    """The endpoint's error message, without secrets."""
    text: str
    """The whole response body."""
    retry_after_s: float | None
    token_limit_field: str
    """The field name of the token limit in the request."""
    chat: bool
    """Whether the request went to the chat API."""


def error_for_status(status: ErrorStatus, address: Address) -> Exception:
    """Returns the exception to raise for an endpoint's HTTP error status.

    AttemptError: another attempt may succeed. PromptRefused: the endpoint refuses this prompt. TokenLimitFieldRefused:
    the endpoint rejects the name of the field for the token limit. UserError: the user must change something.
    """
    code, message, url, key_name = status.code, status.message, address.display_url, address.key_name
    unpaid = code == 402 or (code in (400, 429) and bool(_UNPAID.search(status.text)))
    if code in _TEMPORARY or code >= 500:
        if _TOO_LONG.search(message):
            return PromptRefused(f"HTTP {code}: {message}")
        if not unpaid:
            return AttemptError(f"the endpoint answered HTTP {code}: {message}", status.retry_after_s)
    if code == 401:  # The message is not shown: it may repeat parts of the key.
        return UserError(f"{url} rejects the API key (HTTP 401); set ${key_name} to a valid key")
    if code == 404:
        chat_hint = "" if status.chat else "; if the endpoint has only the chat API, use --option recipe=chat"
        return UserError(
            f"HTTP 404 from {url}: {message}; correct --model, --option base_url or --option api{chat_hint}"
        )
    if unpaid:
        return UserError(
            f"{url} reports that the quota is used up ({message}); raise the quota, or set ${key_name} to another key"
        )
    if code in PROMPT_STATUSES and _rejects_token_limit_field(status.text, status.token_limit_field):
        return TokenLimitFieldRefused(f"{url} refuses the prompt (HTTP {code}: {message})")
    if code in PROMPT_STATUSES or (code == 403 and _MODERATED.search(message)):
        return PromptRefused(f"HTTP {code}: {message}")
    if code == 403:
        return UserError(f"{url} refuses access (HTTP 403: {message}); set ${key_name} to a key that may use the model")
    return UserError(
        f"{url} rejects the request (HTTP {code}: {message}); change --model, the sampling options or an --option"
    )


def other_token_limit_field(field_name: str) -> str:
    """Returns max_completion_tokens for the field name max_tokens, and max_tokens for max_completion_tokens."""
    return next(other for other in TOKEN_LIMIT_FIELDS if other != field_name)


def _rejects_token_limit_field(error_text: str, sent_field: str) -> bool:
    """Returns whether an endpoint's error text rejects the token limit's field name `sent_field`.

    Such a text names this field, and either calls a field unknown or unsupported, or also names the other field.
    """
    if not re.search(rf"\b{sent_field}\b", error_text):
        return False
    other_field = other_token_limit_field(sent_field)
    return bool(re.search(rf"\b{other_field}\b", error_text) or _UNKNOWN_FIELD.search(error_text))
