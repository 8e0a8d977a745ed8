"""The HTTP responses of a service to exceptions that its endpoints raise."""

from collections.abc import Callable

from fastapi import FastAPI, Request, Response

from evalharness.errors import InfrastructureError, UserError
from evalharness.util.http.refusals import ErrorBody, RequestRefused, make_default_error_body, make_refusal_response
from evalharness.util.text import one_line


def add_error_responses(
    app: FastAPI,
    user_error_status: int = 422,
    retry_after_s: Callable[[], int] = lambda: 1,
    make_body: ErrorBody = make_default_error_body,
) -> None:
    """Adds handlers to `app` that turn RequestRefused, UserError and InfrastructureError into HTTP responses.

    `user_error_status` is the HTTP status for a UserError. After an InfrastructureError (status 503), `retry_after_s()`
    returns the seconds until a client may retry. `make_body` returns the JSON body of each of these responses.
    """

    @app.exception_handler(RequestRefused)
    async def on_refused(_: Request, error: RequestRefused) -> Response:
        return make_refusal_response(error, make_body=make_body)

    @app.exception_handler(UserError)
    async def on_user_error(_: Request, error: UserError) -> Response:
        return make_refusal_response(RequestRefused(user_error_status, one_line(str(error))), make_body=make_body)

    @app.exception_handler(InfrastructureError)
    async def on_infrastructure_error(_: Request, error: InfrastructureError) -> Response:
        return make_refusal_response(RequestRefused(503, one_line(str(error)), retry_after_s()), make_body=make_body)
