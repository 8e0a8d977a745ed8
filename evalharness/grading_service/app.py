"""The HTTP API: POST /v1/verdicts, GET /health and GET /metrics."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness import __version__
from evalharness.errors import InfrastructureError, UserError
from evalharness.grading_service.admission import Admission, Refused
from evalharness.grading_service.counters import Counters
from evalharness.grading_service.guard import Guard, refusal
from evalharness.grading_service.judging import Judges, OpenTask
from evalharness.grading_service.settings import ServiceConfig
from evalharness.pipeline.store import plain_row
from evalharness.records import Completion, Verdict

GONE = 499
"""What is logged for a client that left; it cannot see it."""


class Submission(BaseModel):
    """What is posted. Each of `samples` is as a line of a samples file; `options` are the task's, as of `grade`."""

    model_config = ConfigDict(extra="forbid")
    task: str
    options: dict[str, str] = Field(default_factory=dict)
    samples: list[dict[str, Any]] = Field(min_length=1)


def make_app(config: ServiceConfig, judges: Judges) -> FastAPI:
    """The application. It does not close `judges`."""
    app = FastAPI(title="evalharness", version=__version__, docs_url=None, redoc_url=None)
    admission = Admission(config.queue, config.per_client, judges.sandbox.workers)
    counters = Counters(lambda: admission.held)
    app.state.cut_short = False
    app.add_middleware(Guard, config=config, answered=counters.answered)

    @app.post("/v1/verdicts")
    async def verdicts(request: Request) -> Response:
        """Judges the samples, and answers when all have their verdicts, in the order of the samples."""
        submission = await run_in_threadpool(parse, await request.body())
        with admission.admit(request.client.host if request.client else "", len(submission.samples)):
            opened = await run_in_threadpool(judges.open, submission.task, submission.options)
            completions = await run_in_threadpool(judges.completions, opened, submission.samples)
            judging = asyncio.ensure_future(judge_all(submission.task, opened, completions))
            leaving = asyncio.ensure_future(request.receive())
            try:
                await asyncio.wait({judging, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                if not judging.done():
                    judging.cancel()
                    counters.given_up(len(completions))
            if judging.cancelled() or not judging.done():
                return Response(status_code=GONE)
            return JSONResponse({"verdicts": [plain_row(verdict) for verdict in judging.result()]})

    async def judge_all(task: str, opened: OpenTask, completions: Sequence[Completion]) -> list[Verdict]:
        return await asyncio.gather(*[judge_one(task, opened, completion) for completion in completions])

    async def judge_one(task: str, opened: OpenTask, completion: Completion) -> Verdict:
        begin = time.monotonic()
        verdict = await asyncio.wrap_future(judges.submit(opened, completion))
        counters.judged(task, verdict.status, time.monotonic() - begin)
        admission.took(verdict.wall_s)
        return verdict

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether it is there, and what it takes."""
        return {"status": "ok", "version": __version__, "held": admission.held, "most": admission.most}

    @app.get("/metrics")
    async def metrics() -> Response:
        """Prometheus' text format."""
        return Response(counters.text(), media_type=CONTENT_TYPE_LATEST)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return refusal(error)

    @app.exception_handler(UserError)
    async def mistaken(_: Request, error: UserError) -> Response:
        return refusal(Refused(422, " ".join(str(error).split())))

    @app.exception_handler(InfrastructureError)
    async def failed(_: Request, error: InfrastructureError) -> Response:
        return refusal(Refused(503, " ".join(str(error).split()), admission.retry_s))

    return app


def parse(body: bytes) -> Submission:
    """The submission. Raises Refused for anything else, naming the first thing that is wrong."""
    try:
        return Submission.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Refused(
            400 if first["type"] == "json_invalid" else 422, f"{place}: {first['msg']}".lstrip(": ")
        ) from None
