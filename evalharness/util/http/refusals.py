"""The exception for a refused HTTP request, and the response to it."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse


class RequestRefused(Exception):
    """Raised to refuse an HTTP request: HTTP status, one-line reason, and after how many seconds to retry, if at all.

    `parameter` is the name of the invalid field in the request, if any; `code` is an error code for programs, or empty.
    """

    def __init__(
        self, status: int, reason: str, retry_after_s: int | None = None, parameter: str | None = None, code: str = ""
    ):
        super().__init__(reason)
        self.status, self.reason, self.retry_after_s = status, reason, retry_after_s
        self.parameter, self.code = parameter, code


class ErrorResponse(BaseModel):
    """The JSON body of the response to a refused request: one line that says what is wrong and what to do."""

    error: str


ErrorBody = Callable[[RequestRefused], Mapping[str, Any]]
"""Returns the JSON body of the response to a refused request."""


def make_default_error_body(refusal: RequestRefused) -> Mapping[str, Any]:
    """Returns the default JSON body of the response to a refused request, an `ErrorResponse`."""
    return ErrorResponse(error=refusal.reason).model_dump()


def make_refusal_response(
    refusal: RequestRefused, close_connection: bool = False, make_body: ErrorBody = make_default_error_body
) -> JSONResponse:
    """Returns the HTTP response to a refused request. `make_body` returns its JSON body.

    `close_connection`: end the connection, because the request has not been read completely.
    """
    headers = {"connection": "close"} if close_connection else {}
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(make_body(refusal), refusal.status, headers)
