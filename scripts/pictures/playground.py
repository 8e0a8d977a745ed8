"""Pictures of the playground: a race in a window, and one way of decoding on a phone."""

from browsing import running, take_screenshot, window
from playwright.sync_api import Browser, Page

SHARE = 0.55
"""How far the recording is played."""


def draw_playground(browser: Browser) -> None:
    """Takes the screenshots of a server of the bundled network."""
    with running("serve", "--data", "sample") as url:
        with window(browser, 1280, 820) as page:
            play(page, url, "#race", drafts="8")
            take_screenshot(page, "playground")
        with window(browser, 390, 844, dark=True) as page:
            play(page, url, "#run-diffusion", drafts="0")
            page.locator(".lane").first.evaluate("lane => lane.scrollIntoView()")
            page.evaluate("window.scrollBy(0, -70)")
            take_screenshot(page, "playground-phone")


def play(page: Page, url: str, button: str, drafts: str) -> None:
    """Generates an answer to the page's example, and shows a moment in the middle."""
    page.goto(url)
    page.uncheck("#rerun")
    page.select_option("#draft", drafts)
    page.click(button)
    page.wait_for_selector("#save:not([hidden])")
    page.wait_for_selector("#race:not([disabled])")
    end = float(page.get_attribute(".scrub", "max") or 0)
    page.locator(".scrub").fill(str(SHARE * end))
    page.mouse.move(0, 0)
