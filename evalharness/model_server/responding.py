"""Generates the answer to a request and sends it, whole or as a stream of server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from evalharness.errors import UserError
from evalharness.model_server.api.answer import AnswerFormatter
from evalharness.model_server.api.collecting import ChoiceText
from evalharness.model_server.api.errors import make_openai_error_body
from evalharness.model_server.api.messages import combine_timings, sum_usage
from evalharness.model_server.api.request import AnswerRequest, make_rejected_option_http_error
from evalharness.model_server.engine.job import JobOutcome
from evalharness.model_server.engine.protocol import Engine, Generation
from evalharness.model_server.metrics import ServerMetrics
from evalharness.util.http.refusals import RequestRefused

CLIENT_CLOSED_REQUEST = 499
"""nginx's status code for a client that disconnected; used only in the metrics."""
EVENT_STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Responder:
    """Answers HTTP requests with completions that an engine generates."""

    def __init__(self, engine: Engine, metrics: ServerMetrics, request_s: float) -> None:
        """`request_s`: time limit of one request in seconds."""
        self._engine, self._metrics, self._request_s = engine, metrics, request_s

    async def respond(self, http_request: Request, answer_request: AnswerRequest, arrival_time: float) -> Response:
        """Generates and returns the HTTP response to a request that arrived at `arrival_time` (`time.perf_counter()`).

        Raises RequestRefused if the engine refuses the request.
        """
        try:
            generation = await self._engine.submit(answer_request.jobs, arrival_time)
        except UserError as error:
            raise make_rejected_option_http_error(error, answer_request.jobs[0]) from None
        answer = RunningAnswer(answer_request, generation, self._engine, self._metrics)
        if answer_request.parameters.stream:
            return EventStream(answer, self._request_s)
        work = asyncio.ensure_future(answer.make_full_response())
        disconnected = asyncio.ensure_future(http_request.receive())
        try:
            await asyncio.wait({work, disconnected}, timeout=self._request_s, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            if disconnected.done():
                self._metrics.count_cancelled_request()
                return Response(status_code=CLIENT_CLOSED_REQUEST)
            raise make_timeout_http_error(self._request_s)
        finally:
            disconnected.cancel()
            work.cancel()
            generation.cancel()


def make_timeout_http_error(limit_s: float) -> RequestRefused:
    """Returns the HTTP 504 error for a request that exceeded its time limit of `limit_s` seconds."""
    return RequestRefused(
        504,
        f"the request was not finished within its time limit of {limit_s:g} s; send a smaller max_tokens",
        code="timeout",
    )


class RunningAnswer:
    """The answer to one HTTP request, while the engine generates it."""

    def __init__(self, request: AnswerRequest, generation: Generation, engine: Engine, metrics: ServerMetrics) -> None:
        self.request, self.generation, self.metrics = request, generation, metrics
        self._engine, self._detokenizer = engine, engine.detokenizer
        scored = request.parameters.wants_logprobs
        self._choices = [ChoiceText(i, job, engine.detokenizer, scored) for i, job in enumerate(request.jobs)]
        self._format = AnswerFormatter(request.json_format, request.model)

    async def make_full_response(self) -> Response:
        """Waits until the answer is complete and returns it as JSON. Raises RequestRefused if the engine fails."""
        async for index, update in self.generation:
            if update.error:
                raise make_engine_failed_http_error(update.error)
            self.metrics.count_output_tokens(len(update.tokens))
            self._choices[index].add_update(update)
        outcomes = self._record_finished_outcomes()
        wrapping = self.request.wrapping
        choices = [choice.finished_choice().wrapped(wrapping.before, wrapping.after) for choice in self._choices]
        timings = combine_timings(outcomes)
        body = self._format.format_full_answer(choices, sum_usage(outcomes, self.request.parameters.n), timings)
        headers = {"x-total-ms": str(timings["total_ms"])}
        if timings["ttft_ms"] is not None:
            headers["x-ttft-ms"] = str(timings["ttft_ms"])
        return JSONResponse(body, headers=headers)

    async def stream_events(self) -> AsyncIterator[bytes]:
        """Yields the answer as server-sent events while it is generated."""
        parameters = self.request.parameters
        async for index, update in self.generation:
            if update.error:
                yield format_server_sent_event(make_openai_error_body(make_engine_failed_http_error(update.error)))
                return
            self.metrics.count_output_tokens(len(update.tokens))
            choice = self._choices[index]
            text = choice.add_update(update)
            if parameters.denoising_frames and self._detokenizer:
                for frame in update.frames:
                    data = self._format.format_denoising_frame(index, frame, 1000 * update.pass_s, self._detokenizer)
                    yield format_server_sent_event(data, "denoising_frame")
            if parameters.diffusing or text or choice.outcome:
                yield format_server_sent_event(self._make_chunk(choice, text))
        outcomes = self._record_finished_outcomes()
        if parameters.stream_options.include_usage:
            yield format_server_sent_event(
                self._format.format_usage_chunk(sum_usage(outcomes, parameters.n), combine_timings(outcomes))
            )
        yield b"data: [DONE]\n\n"

    def _make_chunk(self, choice: ChoiceText, text: str) -> dict[str, Any]:
        """Returns the JSON chunk with a choice's new `text`.

        If the request sets `diffusing`, the chunk has the choice's whole text so far instead, masks included.
        """
        wrapping, first = self.request.wrapping, not choice.started
        choice.started = True
        end = choice.finished_choice() if choice.outcome else None
        whole = self.request.parameters.diffusing
        shown = choice.text_with_masks() if whole else text
        before = wrapping.before if first or whole else ""
        return self._format.format_chunk(
            choice.index, before + shown + (wrapping.after if end or whole else ""), first, end
        )

    def _record_finished_outcomes(self) -> list[JobOutcome]:
        """Returns the completions that are finished, and counts them in the server's metrics."""
        outcomes = [choice.outcome for choice in self._choices if choice.outcome is not None]
        for outcome in outcomes:
            self.metrics.record_outcome(outcome)
        return outcomes


class EventStream(StreamingResponse):
    """A streamed response that cancels generation when its client disconnects or its time limit is reached."""

    def __init__(self, answer: RunningAnswer, limit_s: float) -> None:
        super().__init__(answer.stream_events(), media_type="text/event-stream", headers=EVENT_STREAM_HEADERS)
        self._answer, self._limit_s = answer, limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the events to the client (ASGI)."""
        finished = False

        async def send_and_note_if_last(message: Any) -> None:
            nonlocal finished
            finished = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            async with asyncio.timeout(self._limit_s):
                await super().__call__(scope, receive, send_and_note_if_last)
        except TimeoutError:
            with suppress(TimeoutError):  # a client that does not read any more
                async with asyncio.timeout(1):
                    last = format_server_sent_event(make_openai_error_body(make_timeout_http_error(self._limit_s)))
                    await send({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            self._answer.generation.cancel()
            if not finished:
                self._answer.metrics.count_cancelled_request()


def format_server_sent_event(data: Mapping[str, Any], event_name: str = "") -> bytes:
    """Returns the bytes of a server-sent event with JSON data, without a name if `event_name` is empty."""
    head = f"event: {event_name}\n" if event_name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode(
        errors="surrogatepass"
    )


def make_engine_failed_http_error(engine_message: str) -> RequestRefused:
    """Returns the HTTP 500 error for a request during which the engine failed with `engine_message`."""
    return RequestRefused(500, f"the engine failed: {engine_message}; send the request again", code="engine_failed")


def current_perf_counter_s() -> float:
    """Returns `time.perf_counter()`, the clock of all request timings, in seconds."""
    return time.perf_counter()
