"""A real Chromium that opens reports. Where it is missing, the tests that use it skip and say so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_ROOT = Path(__file__).parents[2]
AXE = _ROOT / ".venv-npm" / "node_modules" / "axe-core" / "axe.min.js"
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# What a reader has: a context of the browser, and whether it is for paper.
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": WIDE},
    "dark": {"color_scheme": "dark", "viewport": WIDE},
    "390 px": {"color_scheme": "light", "viewport": PHONE, "has_touch": True, "is_mobile": True},
    "print": {"color_scheme": "dark", "viewport": WIDE},
}


@dataclass
class Opened:
    """A page, with everything that it complained of and asked the network for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def read_to_the_end(self) -> None:
        """Look at every chart that is not folded away, so that it is drawn."""
        plot = "document.querySelectorAll('.plot')[{}]"
        for number in range(self.page.locator(".plot").count()):
            one = plot.format(number)
            if self.page.evaluate(f"{one}.checkVisibility() && ({one}.scrollIntoView(), true)"):
                self.until(f"{one}.data !== undefined")

    def until(self, true: str) -> None:
        """Wait for what JavaScript finds true. Playwright's own way needs eval, which the policy of the page forbids."""
        for _ in range(300):
            if self.page.evaluate(true):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never true: {true}")


@contextmanager
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine (make test installs it where it may)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, path: Path, view: str = "light", fragment: str = "", **given: Any) -> Iterator[Opened]:
    context = browser.new_context(**{**VIEWS[view], **given})
    try:
        context.set_default_timeout(60_000)  # of a machine that does much else
        found = Opened(context.new_page())
        found.page.on("console", lambda message: found.said.append(message.text))
        found.page.on("pageerror", lambda error: found.said.append(str(error)))
        found.page.on("dialog", lambda dialog: (found.said.append("a dialog"), dialog.dismiss()))
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.goto(path.as_uri() + fragment)
        if view == "print":
            found.page.emulate_media(media="print")
        yield found
    finally:
        context.close()
