"""The model server's FastAPI application: API endpoints, health, metrics and the playground."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse

from evalharness.backends.openai.request_body import SEED_HEADER
from evalharness.model_server.api.chat import ChatBody
from evalharness.model_server.api.edit import ApplyBody, EditBody
from evalharness.model_server.api.errors import make_openai_error_body
from evalharness.model_server.api.parameters import parse_request_body
from evalharness.model_server.api.request import AnswerRequest, RequestDefaults, ServedModel, make_answer_request
from evalharness.model_server.api.text import CompletionBody, FimBody
from evalharness.model_server.config import ServerConfig
from evalharness.model_server.engine.protocol import Engine
from evalharness.model_server.metrics import ServerMetrics
from evalharness.model_server.playground.problems import PlaygroundProblems
from evalharness.model_server.playground.routes import add_playground
from evalharness.model_server.responding import Responder, current_perf_counter_s
from evalharness.util.http.error_responses import add_error_responses
from evalharness.util.http.refusals import RequestRefused, make_refusal_response
from evalharness.util.http.request_checks import RequestCheckMiddleware
from evalharness.util.version import __version__

ParseBody = Callable[[bytes, RequestDefaults], AnswerRequest]
"""Function that parses a request body. Raises RequestRefused for an invalid one."""


def make_app(config: ServerConfig, engine: Engine, problems: PlaygroundProblems) -> FastAPI:
    """Returns the model server's FastAPI application. The caller closes `engine` and `problems`."""
    app = FastAPI(title="evalharness", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    metrics = ServerMetrics(engine.current_load)
    responder = Responder(engine, metrics, config.request_s)
    app.state.cut_short = False
    if config.cors:
        app.add_middleware(
            CORSMiddleware, allow_origins=config.cors, allow_methods=["GET", "POST"], allow_headers=["*"]
        )
    app.add_middleware(
        RequestCheckMiddleware,
        limits=config.limits,
        make_error_body=make_openai_error_body,
        on_response=metrics.count_response,
    )
    served = ServedModel(engine.name, engine.decoding_methods)

    def parse_chat_request(raw_body: bytes, defaults: RequestDefaults) -> AnswerRequest:
        body = parse_request_body(ChatBody, raw_body)
        return make_answer_request("chat", [body.prompt()], body, engine, defaults)

    def parse_completion_request(raw_body: bytes, defaults: RequestDefaults) -> AnswerRequest:
        body = parse_request_body(CompletionBody, raw_body)
        return make_answer_request("text", body.prompts(engine), body, engine, defaults)

    def parse_fim_request(raw_body: bytes, defaults: RequestDefaults) -> AnswerRequest:
        body = parse_request_body(FimBody, raw_body)
        return make_answer_request("fim", body.prompts(engine), body, engine, defaults)

    def parse_edit_request(raw_body: bytes, defaults: RequestDefaults) -> AnswerRequest:
        body = parse_request_body(EditBody, raw_body)
        prompt, wrapping = body.make_prompt_and_wrapping()
        return make_answer_request("chat", [prompt], body, engine, defaults, wrapping)

    def parse_apply_request(raw_body: bytes, defaults: RequestDefaults) -> AnswerRequest:
        body = parse_request_body(ApplyBody, raw_body)
        return make_answer_request("chat", [body.prompt()], body, engine, defaults)

    for path, parse in (
        ("/v1/chat/completions", parse_chat_request),
        ("/v1/completions", parse_completion_request),
        ("/v1/fim/completions", parse_fim_request),
        ("/v1/edit/completions", parse_edit_request),
        ("/v1/apply/completions", parse_apply_request),
    ):
        app.post(path)(_make_endpoint(parse, responder, config.max_new_tokens))

    @app.get("/v1/models")
    async def list_models() -> Response:
        """Returns the model ids that requests may give; each selects the model with one decoding method."""
        return JSONResponse(
            {"object": "list", "data": [_describe_model(model_id, engine) for model_id in served.selectable_model_ids]}
        )

    @app.get("/v1/models/{model_id:path}")
    async def show_model(model_id: str) -> Response:
        """Returns the description of the model with this id."""
        served.select_decoding_method(model_id, {})
        return JSONResponse(_describe_model(model_id, engine))

    @app.get("/health")
    async def show_health() -> Response:
        """Returns the server's version and its numbers of running and waiting completions; needs no API key."""
        load = engine.current_load()
        return JSONResponse(
            {"status": "ok", "version": __version__, "running": load.running, "waiting": load.waiting,
             "concurrency": config.concurrency, "queue": config.queue}
        )  # fmt: skip

    @app.get("/metrics")
    async def show_metrics() -> Response:
        """Returns the server's metrics in Prometheus' text format."""
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    add_playground(app, engine, problems, config.max_new_tokens)

    add_error_responses(app, user_error_status=400, make_body=make_openai_error_body)

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        reason = f"{request.method} {request.url.path} is not an endpoint; docs/serving.md lists the endpoints"
        return make_refusal_response(RequestRefused(error.status_code, reason), make_body=make_openai_error_body)

    return app


def _make_endpoint(
    parse_body: ParseBody, responder: Responder, default_max_new_tokens: int
) -> Callable[[Request], Awaitable[Response]]:
    """Returns the function of an HTTP endpoint: it parses the body with `parse_body`, and `responder` answers."""

    async def handle_request(http_request: Request) -> Response:
        arrival_time = current_perf_counter_s()
        seed = http_request.headers.get(SEED_HEADER, "")
        defaults = RequestDefaults(default_max_new_tokens, int(seed) if seed.isascii() and seed.isdigit() else None)
        return await responder.respond(http_request, parse_body(await http_request.body(), defaults), arrival_time)

    return handle_request


def _describe_model(model_id: str, engine: Engine) -> dict[str, object]:
    """Returns the entry of a model id in the response to GET /v1/models."""
    decoding_method = model_id.rpartition(":")[2] if ":" in model_id else engine.decoding_methods[0]
    return {
        "id": model_id,
        "object": "model",
        "created": 0,
        "owned_by": "evalharness",
        "decoding": decoding_method if decoding_method in engine.decoding_methods else engine.decoding_methods[0],
        "context_length": engine.context_length,
        "infills": engine.can_infill,
    }
