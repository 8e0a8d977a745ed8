"""Serves a web page and its static files, with headers that forbid it to load anything else."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, HTMLResponse, Response

from evalharness.util.http.refusals import RequestRefused

STATIC_SUFFIXES = (".css", ".js")
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


def add_page_routes(app: FastAPI, page_html: str, static_folders: Sequence[Path]) -> None:
    """Adds routes to an application: GET / for a page's HTML, GET /static/NAME for its style sheets and scripts."""
    files = {
        path.name: path for folder in static_folders for path in folder.iterdir() if path.suffix in STATIC_SUFFIXES
    }

    @app.get("/")
    async def serve_page() -> Response:
        return HTMLResponse(page_html, headers=SECURITY_HEADERS)

    @app.get("/static/{name}")
    async def serve_static_file(name: str) -> Response:
        if name not in files:
            raise RequestRefused(404, f"this service has no file {name!r}; reload the page")
        return FileResponse(files[name], headers=SECURITY_HEADERS)
