"""A report of generated runs, and a real browser that opens it without a network."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import page_runs

from evalharness.report.page.page import write_report
from evalharness.report.runs import load_runs

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report of eight runs of two models, with traces, facets and languages."""
    folder = tmp_path_factory.mktemp("report")
    left, right = ({"backend": kind, "model": f"org/small-{kind}"} for kind in ("ar", "diffusion"))
    cycling = page_runs.cycling
    runs = folder / "runs"
    page_runs.write_run(runs / "ar" / "humaneval", "humaneval", cycling(["passed", "passed", "failed"]), **left)
    page_runs.write_run(runs / "ar" / "livecodebench", "livecodebench", cycling(["passed", "failed"]), **left)
    mixed = cycling(["passed", "failed", "timeout", "passed", "error"], traced=True)
    page_runs.write_run(runs / "dif" / "humaneval", "humaneval", mixed, n=2, **right)
    page_runs.write_run(
        runs / "dif" / "livecodebench", "livecodebench", cycling(["failed", "passed"], traced=True), **right
    )
    for language in ("cpp", "js"):
        task = f"multipl-e-{language}"
        page_runs.write_run(runs / "ar" / task, task, cycling(["passed"]), **left)
        page_runs.write_run(runs / "dif" / task, task, cycling(["passed", "memory"]), **right)
    write_report(load_runs([runs]), folder / "page")
    shutil.rmtree(runs)  # the page must not need them
    return folder / "page"


@pytest.fixture
def visit(browser: Any, report: Path) -> Iterator[Open]:
    """Opens an address of a report from the disk; fails on any console message or request to another place."""
    contexts, faults = [], []

    def visited(address: str = "", folder: Path = report, **context: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **context}))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda message: faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        inside = (f"file://{folder}/", "data:")
        page.on("request", lambda asked: asked.url.startswith(inside) or faults.append(f"request: {asked.url}"))
        page.on("requestfailed", lambda asked: faults.append(f"failed: {asked.url}"))
        page.goto(f"file://{folder}/index.html{address}")
        page.wait_for_selector("body[data-ready]")
        return page

    visited.faults = faults  # type: ignore[attr-defined]
    yield visited
    for context in contexts:
        context.close()
    assert faults == []
