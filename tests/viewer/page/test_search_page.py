"""The search: what can be asked, what comes while one looks, the scatter, the keyboard."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Route

from viewer.otlp import Spec, request
from viewer.page.browser import Visit
from viewer.page.conftest import Visits
from viewer.running import Running


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("service=fake-server", 12),
        ("service=fake-server&operation=render", 12),
        ("tags=http.response.status_code%3D403", 2),
        ("tags=url.path%3D%22/api/items%22+http.request.method%3DPOST", 2),
        ("min=16ms&max=18.5ms", 4),
        ("status=ok&max=1ms", 2),
        ("start=1795603982000000&end=1795603982990000", 3),
    ],
)
def test_each_field_is_asked_for(page: Visit, query: str, found: int) -> None:
    page.go(f"/search?{query}", wait="a.trace")
    assert len(page.texts("a.trace")) == found


@pytest.mark.parametrize(
    ("query", "words"),
    [("min=fast", "minDuration"), ("tags=a", "key=value"), ("tags=a%3D1+%22", "key=value")],
)
def test_what_cannot_be_asked_is_told(page: Visit, query: str, words: str) -> None:
    page.go(f"/search?{query}", wait="[role=alert]")
    assert words in page.text("[role=alert]")


def test_operations_are_those_of_the_service(page: Visit) -> None:
    page.go("/", wait="a.trace")
    page.page.get_by_label(re.compile("^Service")).select_option("fake-server")
    page.page.locator("option", has_text="look up").wait_for(state="attached")
    page.page.get_by_label("Operation").select_option("look up")
    page.page.wait_for_url("**/search?service=fake-server&operation=look+up")
    page.page.get_by_label(re.compile("^Service")).select_option("haproxy-1")
    page.page.wait_for_url("**/search?service=haproxy-1")


def test_traces_appear_as_they_come_and_wait_while_it_is_paused(at: Visits, viewer: Running) -> None:
    page = at(viewer).go("/", wait=".empty")
    live = page.page.locator("button.live")
    page.page.get_by_role("button", name="Live").wait_for()
    viewer.send(request(Spec(trace=1, name="first")))
    page.page.locator("a.trace", has_text="first").wait_for()
    assert "fresh" in str(page.page.locator("a.trace").get_attribute("class"))

    page.page.keyboard.press("l")
    viewer.send(request(Spec(trace=2, name="second", start=1)))
    page.page.get_by_role("button", name="Paused, 1 new trace").wait_for()
    assert page.page.locator("a.trace").count() == 1
    live.click()
    page.page.locator("a.trace", has_text="second").wait_for()
    assert page.texts("a.trace b") == ["second", "first"]


def test_a_trace_that_came_before_the_live_stream_began_is_seen(at: Visits, viewer: Running) -> None:
    page = at(viewer)
    held: list[Route] = []
    page.page.route("**/api/viewer/live", lambda route: held.append(route))
    page.go("/", wait=".empty")
    viewer.send(request(Spec(trace=1, name="between")))
    held.pop().continue_()
    page.page.locator("a.trace", has_text="between").wait_for()


def test_an_empty_viewer_says_where_traces_go(at: Visits, viewer: Running) -> None:
    page = at(viewer).go("/", wait=".empty")
    assert f"http://127.0.0.1:{viewer.port}/v1/traces" in page.text(".empty")


def test_the_keyboard_goes_through_the_list(page: Visit) -> None:
    page.go("/", wait="a.trace")
    press = page.page.keyboard.press
    press("j")
    press("j")
    press("j")
    press("k")
    second = page.page.locator("a.trace").nth(1)
    assert second.evaluate("link => link === document.activeElement")
    press("/")
    assert page.page.get_by_label("Tags").evaluate("field => field === document.activeElement")
    page.page.keyboard.type("j=k")
    assert page.page.get_by_label("Tags").input_value() == "j=k"
    press("Escape")
    press("j")
    press("Enter")
    page.page.wait_for_url("**/trace/*")


def pointed_at(page: Visit, name: str) -> bool:
    """Move the pointer down the scatter's left end until it is next to a trace of this name."""
    box = page.box(".u-over")
    for y in range(4, int(box["height"]), 12):
        page.page.mouse.move(box["x"] + box["width"] * 0.05, box["y"] + y)
        if name in page.text(".scatter figcaption"):
            return True
    return False


def test_a_click_into_the_scatter_opens_the_nearest_trace(page: Visit) -> None:
    page.go("/search?service=haproxy-1&max=1ms", wait=".u-over")
    # Two traces: one at the left end, one at the right. Which heights they have is the scale's business.
    deadline = time.monotonic() + 20
    while not pointed_at(page, "GET /forbidden"):
        assert time.monotonic() < deadline, page.text(".scatter figcaption")
    page.page.mouse.down()
    page.page.mouse.up()
    page.page.wait_for_url("**/trace/*")
    assert re.search(r"/trace/[0-9a-f]{32}$", page.page.url)


def test_a_drag_over_the_scatter_keeps_its_time(page: Visit) -> None:
    page.go("/", wait=".u-over")
    box = page.box(".u-over")
    page.page.mouse.move(box["x"] + 2, box["y"] + 40)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40, steps=4)
    page.page.mouse.up()
    page.page.wait_for_url("**/search?start=*&end=*")
    page.page.get_by_role("link", name="Show all times").wait_for()
    page.page.get_by_text("7 traces", exact=True).wait_for()
