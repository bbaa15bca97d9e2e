"""A real Chromium that looks at the page, and what must hold at each look: no complaint, no request to anybody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, FloatRect, Page, Request, ViewportSize, sync_playwright

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
Size = tuple[int, int]
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

    page: Page

    def __init__(self, viewer: Running) -> None:
        self.viewer = viewer
        self.origin = f"http://127.0.0.1:{viewer.port}"
        self.complaints: list[str] = []
        self.requests: list[str] = []

    @contextmanager
    def at(self, page: Page) -> Iterator[None]:
        """Look at a page, and hear what the browser says of it."""
        heard: dict[str, Callable[..., None]] = {
            "console": lambda message: self._heard(message.type, message.text),
            "pageerror": lambda error: self.complaints.append(f"error: {error}"),
            "request": self._asked,
        }
        self.page = page
        for event, hear in heard.items():
            page.on(event, hear)  # type: ignore[call-overload]
        yield
        for event, hear in heard.items():
            page.remove_listener(event, hear)

    def _heard(self, kind: str, text: str) -> None:
        # An answer that is no success is the page's to tell; the console tells it in any case.
        if kind in ("error", "warning") and "the server responded with a status of" not in text:
            self.complaints.append(f"{kind}: {text}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def go(self, path: str, wait: str = "h1") -> Visit:
        """Open an address of the viewer and wait until there is something."""
        self.page.goto(self.origin + path)
        self.page.locator(wait).first.wait_for(state="attached")
        return self

    def judge(self) -> None:
        """Fail if the browser complained, its policy's refusals included, or went anywhere else."""
        assert self.complaints == []
        assert [url for url in self.requests if not url.startswith((f"{self.origin}/", "data:"))] == []

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


class Pages:
    """Pages of a browser that are used again: a new one costs most of a second of both cores, most visits do not."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[Size, list[Page]] = {}

    @contextmanager
    def one(self, origin: str, size: Size, scheme: Scheme) -> Iterator[Page]:
        """A page as if it were new, of a visitor who was never at this origin. After a failure nobody gets it again."""
        free = self._free.setdefault(size, [])
        page = free.pop() if free else self._new(size)
        try:
            page.emulate_media(color_scheme=scheme)
            yield page
            self._forget(page, origin, size)
        except BaseException:
            page.context.close()
            raise
        free.append(page)

    def _new(self, size: Size) -> Page:
        context = self._browser.new_context(
            viewport=_viewport(size),
            reduced_motion="reduce",
            timezone_id="UTC",
            locale="en-GB",
            has_touch=size == PHONE,
        )
        context.set_default_timeout(30_000)  # a busy machine needs more than ten seconds to show ten thousand spans
        return context.new_page()

    def _forget(self, page: Page, origin: str, size: Size) -> None:
        page.unroute_all(behavior="ignoreErrors")
        page.goto("about:blank")
        page.set_viewport_size(_viewport(size))
        page.mouse.move(0, 0)
        tools = page.context.new_cdp_session(page)
        tools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        tools.detach()


def _viewport(size: Size) -> ViewportSize:
    return {"width": size[0], "height": size[1]}


@contextmanager
def visit(pages: Pages, viewer: Running, size: Size = WIDE, scheme: Scheme = "light") -> Iterator[Visit]:
    """Let somebody visit, and judge what the browser had to say in the end."""
    visitor = Visit(viewer)
    with pages.one(visitor.origin, size, scheme) as page, visitor.at(page):
        yield visitor
        visitor.judge()
