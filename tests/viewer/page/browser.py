"""A real Chromium that looks at the page, and what must hold at each look: no complaint, no request to anybody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, FloatRect, Page, Request, sync_playwright

from viewer.running import Running

# What keeps a browser from talking to anybody by itself.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, PHONE = (1280, 800), (390, 844)
Scheme = Literal["light", "dark"]


@contextmanager
def browser_at(program: Path) -> Iterator[Browser]:
    """Start the browser with an empty profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One visitor's page at a viewer."""

    def __init__(self, page: Page, viewer: Running) -> None:
        self.page = page
        self.viewer = viewer
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._asked)

    def _heard(self, kind: str, text: str) -> None:
        # An answer that is no success is the page's to tell; the console tells it in any case.
        if kind in ("error", "warning") and "the server responded with a status of" not in text:
            self.complaints.append(f"{kind}: {text}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def go(self, path: str, wait: str = "h1") -> Visit:
        """Open an address of the viewer and wait until there is something."""
        self.page.goto(path)
        self.page.locator(wait).first.wait_for(state="attached")
        return self

    def judge(self) -> None:
        """Fail if the browser complained, its policy's refusals included, or went anywhere else."""
        assert self.complaints == []
        host = f"127.0.0.1:{self.viewer.port}"
        assert [url for url in self.requests if urlsplit(url).netloc != host and not url.startswith("data:")] == []

    def box(self, selector: str) -> FloatRect:
        """Return where an element is, once it stands still: a chart has no place for a moment, or not yet its own."""
        element = self.page.locator(selector).first
        deadline = time.monotonic() + 30
        before, box = None, element.bounding_box()
        while box is None or box != before:
            assert time.monotonic() < deadline, f"{selector} is nowhere, or moves"
            self.page.wait_for_timeout(50)
            before, box = box, element.bounding_box()
        return box

    def texts(self, selector: str) -> list[str]:
        """Return what is to be read in each element, with single spaces."""
        return [
            " ".join(text.split())
            for text in self.page.locator(selector).evaluate_all(
                "all => all.map((one) => one.innerText ?? one.textContent)"
            )
        ]

    def text(self, selector: str) -> str:
        [text] = self.texts(selector)
        return text

    def module(self, name: str, expression: str, argument: object = None) -> Any:
        """Return what an expression about a module of the page, ``m``, gives in the browser; ``a``: the argument."""
        script = f"async (a) => {{ const m = await import('/static/app/{name}.js'); return ({expression}); }}"
        return self.page.evaluate(script, argument)


@contextmanager
def visit(browser: Browser, viewer: Running, size: tuple[int, int] = WIDE, scheme: Scheme = "light") -> Iterator[Visit]:
    """Let somebody visit, and judge what the browser had to say in the end."""
    width, height = size
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{viewer.port}",
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
        timezone_id="UTC",
        locale="en-GB",
        has_touch=size == PHONE,
    )
    context.set_default_timeout(30_000)  # a busy machine needs more than ten seconds to show ten thousand spans
    visitor = Visit(context.new_page(), viewer)
    try:
        yield visitor
        visitor.judge()
    finally:
        context.close()
