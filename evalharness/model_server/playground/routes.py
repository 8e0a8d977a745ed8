"""The playground's static files and HTTP endpoints."""

import asyncio
import dataclasses
from pathlib import Path

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import JSONResponse

from evalharness.backends.diffusion.options import RULE_SETTINGS
from evalharness.model_server.engine.protocol import Engine
from evalharness.model_server.playground.problems import PlaygroundProblems
from evalharness.report.page.document import make_html_document
from evalharness.report.page.static_files import STATIC as REPORT_STATIC
from evalharness.util.http.pages import add_page_routes
from evalharness.util.http.refusals import RequestRefused
from evalharness.util.version import __version__

STATIC = Path(__file__).with_name("static")
STYLES = ("theme.css", "page.css", "playground.css", "lanes.css")
SCRIPTS = (
    "dom.js", "format.js", "recording.js", "lane.js", "player.js", "server.js", "settings.js", "form.js",
    "race_data.js", "saving.js", "sharing.js", "saved.js", "shortcuts.js", "main.js",
)  # fmt: skip


class AnswerToGrade(BaseModel):
    """Body of POST /playground/verdict: an answer to a benchmark problem, to run against the problem's tests."""

    model_config = ConfigDict(extra="forbid", strict=True)
    task: str
    id: str
    text: str


def add_playground(app: FastAPI, engine: Engine, problems: PlaygroundProblems, default_max_new_tokens: int) -> None:
    """Adds the playground's page and endpoints to the FastAPI application."""

    page = make_html_document("evalharness playground", (STATIC / "body.html").read_text(), STYLES, SCRIPTS)
    add_page_routes(app, page, (REPORT_STATIC, STATIC))

    @app.get("/playground/settings")
    async def show_settings() -> Response:
        return JSONResponse(
            {
                "version": __version__,
                "model": engine.name,
                "ways": engine.decoding_methods,
                "infills": engine.can_infill,
                "frames": engine.detokenizer is not None,
                "rules": {name: list(used) for name, used in RULE_SETTINGS.items()},
                "max_new_tokens": min(default_max_new_tokens, 256),
                "tasks": problems.task_names(),
                "sandbox": problems.with_sandbox,
            }
        )

    @app.get("/playground/problem")
    async def show_problem(task: str = "", id: str = "") -> Response:
        return JSONResponse(await asyncio.to_thread(problems.find_problem, task, id))

    @app.post("/playground/verdict")
    async def grade_answer(request: Request) -> Response:
        try:
            answer = AnswerToGrade.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"])) or "body"
            raise RequestRefused(400, f"parameter {name} is invalid: {first['msg']}; correct it") from None
        return JSONResponse(dataclasses.asdict(await problems.grade_answer(answer.task, answer.id, answer.text)))
