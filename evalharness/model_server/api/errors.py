"""The JSON body of an error response, in OpenAI's format."""

from typing import Any

from evalharness.util.http.refusals import RequestRefused

TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def error_body(refused: RequestRefused) -> dict[str, Any]:
    """Returns the JSON body of an error response: a one-line message, its type, and the wrong parameter."""
    kind = TYPES.get(refused.status, "server_error" if refused.status >= 500 else "invalid_request_error")
    return {
        "error": {
            "message": " ".join(refused.reason.split()),
            "type": kind,
            "param": refused.parameter,
            "code": refused.code or None,
        }
    }
