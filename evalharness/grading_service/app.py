"""The HTTP API of the grading service: POST /v1/verdicts, GET /health and GET /metrics."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import ValidationError

from evalharness.data.cards import card_path_in_task_name, task_name_without_card_file
from evalharness.errors import UserError
from evalharness.grading_service.admission import AdmissionControl
from evalharness.grading_service.config import ServiceConfig
from evalharness.grading_service.grading import GradingPool, LoadedTask
from evalharness.grading_service.messages import HealthResponse, Submission, VerdictsResponse
from evalharness.grading_service.metrics import ServiceMetrics
from evalharness.records import Completion, Verdict
from evalharness.util.http.error_responses import add_error_responses
from evalharness.util.http.refusals import ErrorResponse, RequestRefused
from evalharness.util.http.request_checks import RequestCheckMiddleware
from evalharness.util.version import __version__

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that disconnected: it appears in the metrics only, since the client cannot read it."""

SUBMISSION_SCHEMA = {"requestBody": {"content": {"application/json": {"schema": Submission.model_json_schema()}}}}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (400, 401, 408, 413, 422, 429, 503)
}


def resolve_task_name(requested_name: str, config: ServiceConfig) -> str:
    """Returns the name by which the service opens the task that a client requests.

    It is the requested name, or FILE.yaml:TASK if the service was started with a file that defines the task (a task
    card, --task FILE.yaml). Raises UserError for other files, because clients must not make the service read files.
    """
    cards = {task_name_without_card_file(task): task for task in config.tasks if card_path_in_task_name(task)}
    if card_path_in_task_name(requested_name) and requested_name not in cards.values():
        raise UserError(
            f"unknown task {requested_name!r}; give the name of a bundled task, or, for a task of your own, start the "
            "service with --task CARD_FILE"
        )
    return cards.get(requested_name, requested_name)


def make_app(config: ServiceConfig, pool: GradingPool) -> FastAPI:
    """Returns the FastAPI application of the grading service. The caller closes `pool`."""
    app = FastAPI(title="evalharness", version=__version__, docs_url=None, redoc_url=None)
    admission = AdmissionControl(config.queue, config.per_client, pool.sandbox.workers)
    metrics = ServiceMetrics(lambda: admission.pending)
    app.state.cut_short = False
    app.add_middleware(RequestCheckMiddleware, limits=config.limits, on_response=metrics.count_response)

    @app.post(
        "/v1/verdicts",
        name="verdicts",  # part of the operation's id in the OpenAPI schema, which generated clients use
        response_model=VerdictsResponse,
        responses=ERRORS,
        openapi_extra=SUBMISSION_SCHEMA,
    )
    async def grade_samples(request: Request) -> Response:
        """Grades the samples of a request; responds when all have a verdict. Stops if the client disconnects."""
        submission = await run_in_threadpool(parse_submission, await request.body())
        with admission.admit(request.client.host if request.client else "", len(submission.samples)):
            loaded = await run_in_threadpool(
                pool.load_task, resolve_task_name(submission.task, config), submission.options
            )
            completions = await run_in_threadpool(pool.parse_samples, loaded, submission.samples)
            grading = asyncio.ensure_future(grade_all(submission.task, loaded, completions))
            disconnected = asyncio.ensure_future(request.receive())
            try:
                await asyncio.wait({grading, disconnected}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                disconnected.cancel()
                if not grading.done():
                    grading.cancel()
                    metrics.count_abandoned_samples(len(completions))
            if grading.cancelled() or not grading.done():
                return Response(status_code=CLIENT_CLOSED_REQUEST)
            rows = VerdictsResponse(verdicts=grading.result()).model_dump_json(exclude_none=True)
            return Response(rows, media_type="application/json")

    async def grade_all(task_name: str, loaded_task: LoadedTask, completions: Sequence[Completion]) -> list[Verdict]:
        return await asyncio.gather(*[grade_one(task_name, loaded_task, completion) for completion in completions])

    async def grade_one(task_name: str, loaded_task: LoadedTask, completion: Completion) -> Verdict:
        begin = time.monotonic()
        verdict = await asyncio.wrap_future(pool.submit(loaded_task, completion))
        metrics.count_verdict(task_name, verdict.status, time.monotonic() - begin)
        admission.record_grading_time(verdict.wall_s)
        return verdict

    @app.get("/health")
    async def health() -> HealthResponse:
        """Returns the version and the number of pending samples of the service; needs no access token."""
        return HealthResponse(status="ok", version=__version__, held=admission.pending, most=admission.limit)

    @app.get("/metrics")
    async def prometheus_metrics() -> Response:
        """Returns the service's metrics in Prometheus' text format."""
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    add_error_responses(app, retry_after_s=lambda: admission.retry_after_s)
    return app


def parse_submission(body: bytes) -> Submission:
    """Parses and validates the body of POST /v1/verdicts. Raises RequestRefused with the first error."""
    try:
        return Submission.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        position = ".".join(map(str, first["loc"]))
        status = 400 if first["type"] == "json_invalid" else 422
        raise RequestRefused(status, f"{position}: {first['msg']}; correct the request's body".lstrip(": ")) from None
