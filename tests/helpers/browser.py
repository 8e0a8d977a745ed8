"""Chromium for the tests of pages, without a window and without a way to other places."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program, "there is no chromium; run scripts/browser.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Visits:
    """Pages of one test. `faults` are console messages, errors, and requests to another place than the address."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.faults: list[str] = []

    def __call__(self, address: str, **context: Any) -> Any:
        """Opens an address; returns the page."""
        self._contexts.append(self._browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **context}))
        page = self._contexts[-1].new_page()
        page.set_default_timeout(60_000)
        allowed = (address.partition("#")[0], "data:", "blob:")

        def check(sent: Any) -> None:
            if not sent.url.startswith(allowed):
                self.faults.append(f"request: {sent.url}")

        page.on("console", lambda message: self.faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", check)
        page.goto(address)
        return page

    def close(self) -> None:
        """Closes all pages."""
        for context in self._contexts:
            context.close()
