"""The JSON body of an error response, in OpenAI's format."""

from typing import Any

from evalharness.util.http.refusals import RequestRefused

TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def make_openai_error_body(refusal: RequestRefused) -> dict[str, Any]:
    """Returns the JSON body of an error response: one-line message, error type, and name of the invalid parameter."""
    kind = TYPES.get(refusal.status, "server_error" if refusal.status >= 500 else "invalid_request_error")
    return {
        "error": {
            "message": " ".join(refusal.reason.split()),
            "type": kind,
            "param": refusal.parameter,
            "code": refusal.code or None,
        }
    }
