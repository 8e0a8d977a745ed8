"""The HTTP API of the arena's voting page: POST /api/pair, POST /api/votes, GET /health, and static files."""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from evalharness.arena.rows import parse_voter_name
from evalharness.arena.service.messages import HealthResponse, PairRequest, PairResponse, VoteRequest, VoteResponse
from evalharness.arena.service.session import VotingSession
from evalharness.report.page.document import make_html_document
from evalharness.report.page.static_files import STATIC as REPORT_STATIC
from evalharness.util.http.error_responses import add_error_responses
from evalharness.util.http.pages import add_page_routes
from evalharness.util.http.refusals import RequestRefused, make_refusal_response
from evalharness.util.http.request_checks import RequestCheckMiddleware, RequestLimits
from evalharness.util.version import __version__

STATIC = Path(__file__).with_name("static")
STYLES = ("theme.css", "page.css", "browser.css", "arena.css")
SCRIPTS = ("dom.js", "format.js", "languages.js", "code.js", "api.js", "replay.js", "pair.js", "arena.js")


def make_app(session: VotingSession, limits: RequestLimits) -> FastAPI:
    """Returns the FastAPI application of the arena's voting page."""
    app = FastAPI(title="evalharness arena", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.cut_short = False
    app.add_middleware(RequestCheckMiddleware, limits=limits, on_response=lambda status: None)

    @app.post("/api/pair")
    def next_pair(request: PairRequest) -> PairResponse:
        """Returns the next pair of answers for a voter. Takes long if a live model must first generate its answer."""
        return session.next_pair(parse_voter_name(request.voter))

    @app.post("/api/votes")
    def record_vote(request: VoteRequest) -> VoteResponse:
        """Stores a vote on a pair on disk, then returns which models wrote the two answers."""
        return session.record_vote(request.id, parse_voter_name(request.voter), request.choice, request.ms)

    @app.get("/health")
    def show_health() -> HealthResponse:
        """Returns evalharness's version and the number of votes so far; needs no access token."""
        return HealthResponse(status="ok", version=__version__, votes=len(session.store))

    page = make_html_document("evalharness arena", (STATIC / "body.html").read_text(), STYLES, SCRIPTS)
    add_page_routes(app, page, (REPORT_STATIC, STATIC))

    add_error_responses(app)

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return make_refusal_response(
            RequestRefused(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}; correct the request")
        )

    return app
