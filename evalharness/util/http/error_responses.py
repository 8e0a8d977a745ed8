"""The HTTP responses of a service to exceptions that its endpoints raise."""

from collections.abc import Callable

from fastapi import FastAPI, Request, Response

from evalharness.errors import InfrastructureError, UserError
from evalharness.util.http.refusals import ErrorBody, RequestRefused, default_error_body, refusal
from evalharness.util.text import one_line


def add_error_responses(
    app: FastAPI, user_error: int = 422, retry_s: Callable[[], int] = lambda: 1, body: ErrorBody = default_error_body
) -> None:
    """Adds exception handlers to an application that answer RequestRefused, UserError and InfrastructureError.

    `user_error` is the status of a UserError, and `retry_s` returns the seconds after which a client may retry when
    the infrastructure has failed (status 503).
    """

    @app.exception_handler(RequestRefused)
    async def on_refused(_: Request, error: RequestRefused) -> Response:
        return refusal(error, body=body)

    @app.exception_handler(UserError)
    async def on_user_error(_: Request, error: UserError) -> Response:
        return refusal(RequestRefused(user_error, one_line(str(error))), body=body)

    @app.exception_handler(InfrastructureError)
    async def on_infrastructure_error(_: Request, error: InfrastructureError) -> Response:
        return refusal(RequestRefused(503, one_line(str(error)), retry_s()), body=body)
