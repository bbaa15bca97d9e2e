"""axe-core finds nothing on any page, light and dark, wide and on a phone. Its script comes with its package."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from viewer.page.browser import PHONE, Visit
from viewer.page.traces import Demo

AXE = Axe()
# Rules of the guidelines up to 2.2 AA, and what axe calls best practice.
RULES: dict[str, Any] = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}

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


CONTRAST: dict[str, Any] = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}


def violations(page: Visit, rules: dict[str, Any]) -> list[str]:
    found = AXE.run(page.page, options=rules).response["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found]


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
