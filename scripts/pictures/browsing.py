"""A browser, servers, and screenshots for the documentation."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT / "tests"))  # its helpers start the browser and the servers

from helpers.browser import chromium  # noqa: E402
from helpers.server_process import ServerProcess  # noqa: E402

__all__ = ["IMAGES", "chromium", "running", "take_screenshot", "window"]


@contextmanager
def window(browser: Browser, width: int, height: int, dark: bool = False) -> Iterator[Page]:
    """Opens a window, in light or dark colours."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    page = context.new_page()
    page.set_default_timeout(120_000)
    yield page
    context.close()


@contextmanager
def running(*words: object) -> Iterator[str]:
    """Runs an `evalharness` command that serves a page; the value is its URL."""
    process = ServerProcess(*words)
    try:
        yield process.url
    finally:
        process.stop()


def take_screenshot(page: Page, name: str) -> None:
    """Writes a screenshot of the window."""
    page.wait_for_timeout(500)
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    print(f"docs/images/{name}.png: {path.stat().st_size / 1000:.0f} kB")
