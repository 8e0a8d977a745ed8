"""Requests that a service refuses, and the response to them."""

from pydantic import BaseModel
from starlette.responses import JSONResponse


class RequestRefused(Exception):
    """A request that a service does not process: HTTP status, one-line reason and seconds until a retry, if any."""

    def __init__(self, status: int, reason: str, retry_s: int | None = None):
        super().__init__(reason)
        self.status, self.reason, self.retry_s = status, reason, retry_s


class ErrorResponse(BaseModel):
    """Response to every request that is refused: one line that says what is wrong and what to do."""

    error: str


def refusal(refused: RequestRefused, close: bool = False) -> JSONResponse:
    """Returns the response to a refused request.

    `close` ends the connection, for requests that are not read to their end.
    """
    headers = {"connection": "close"} if close else {}
    if refused.retry_s is not None:
        headers["retry-after"] = str(refused.retry_s)
    if refused.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(ErrorResponse(error=refused.reason).model_dump(), refused.status, headers)
