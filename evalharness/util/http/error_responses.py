"""The HTTP responses of a service to exceptions that its endpoints raise."""

from collections.abc import Callable

from fastapi import FastAPI, Request, Response

from evalharness.errors import InfrastructureError, UserError
from evalharness.util.http.refusals import ErrorBody, RequestRefused, default_error_body, refusal_response
from evalharness.util.text import one_line


def add_error_responses(
    app: FastAPI,
    user_error_status: int = 422,
    retry_s: Callable[[], int] = lambda: 1,
    body: ErrorBody = default_error_body,
) -> None:
    """Adds handlers to `app` that turn RequestRefused, UserError and InfrastructureError into HTTP responses.

    `user_error_status` is the HTTP status for a UserError. `retry_s()` returns the seconds after which a client may
    retry after an InfrastructureError (status 503). `body` returns the JSON body of a response.
    """

    @app.exception_handler(RequestRefused)
    async def on_refused(_: Request, error: RequestRefused) -> Response:
        return refusal_response(error, body=body)

    @app.exception_handler(UserError)
    async def on_user_error(_: Request, error: UserError) -> Response:
        return refusal_response(RequestRefused(user_error_status, one_line(str(error))), body=body)

    @app.exception_handler(InfrastructureError)
    async def on_infrastructure_error(_: Request, error: InfrastructureError) -> Response:
        return refusal_response(RequestRefused(503, one_line(str(error)), retry_s()), body=body)
