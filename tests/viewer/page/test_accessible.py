"""axe-core finds nothing on any page, light and dark, wide and on a phone. Its script comes with its package."""

from __future__ import annotations

import pytest

from viewer.page.axe import CONTRAST, RULES, violations
from viewer.page.browser import PHONE, Visit
from viewer.page.traces import Demo

PAGES = {
    "search": ("/", "a.trace"),
    "no result": ("/search?service=nobody", ".empty"),
    "problem": ("/search?min=fast", "[role=alert]"),
    "trace": ("trace", ".row[id]"),
    "details": ("trace", ".row[id]"),
    "graph": ("/graph", ".graph"),
    "status": ("/status", ".tiles"),
    "help": ("/", "a.trace"),
    "missing": ("/trace/404", "h1"),
}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(page: Visit, demo: Demo, name: str) -> None:
    path, there = PAGES[name]
    page.go(f"/trace/{demo.ids['standard GET /error']}" if path == "trace" else path, wait=there)
    if name == "details":
        page.page.keyboard.press("j")
        page.page.keyboard.press("Enter")
        page.page.locator(".details").wait_for()
    if name == "help":
        page.page.keyboard.press("?")
    assert violations(page, RULES) == []
    # In the dark only the colours are others.
    page.page.emulate_media(color_scheme="dark")
    assert violations(page, CONTRAST) == []
    page.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert violations(page, RULES) == []
