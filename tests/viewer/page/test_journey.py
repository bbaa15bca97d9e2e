"""What a person does first: find a trace, open it, look into a span, follow a link, filter, in the dark, on a phone."""

from __future__ import annotations

import re

import pytest

from viewer.page.browser import PHONE, Visit
from viewer.page.conftest import Visits
from viewer.page.traces import Demo, feed_demo, hex_span, hex_trace, linked, long_names
from viewer.running import Running


def test_from_the_list_to_a_span_and_over_a_link_to_another_trace(at: Visits, viewer: Running) -> None:
    demo = feed_demo(viewer)
    error = demo.ids["standard GET /error"]
    [span] = [one for one in viewer.get(f"/api/traces/{error}")["data"][0]["spans"] if one["operationName"] == "render"]
    viewer.send(linked(error, span["spanID"]))
    page = at(viewer).go("/", wait="a.trace")

    page.page.get_by_role("link", name="work off").click()
    page.page.get_by_role("row", name="work off").click()
    details = page.page.get_by_role("complementary")
    details.get_by_role("link", name=f"Trace {error}").click()

    page.page.get_by_role("heading", name="GET /error", level=1).wait_for()
    assert page.page.url.endswith(f"/trace/{error}?span={span['spanID']}")
    assert page.text(".row.selected .words") == "fake-server render"
    assert page.text(".details h2") == "render"

    page.page.keyboard.press("Escape")
    assert page.page.locator(".details").count() == 0
    page.page.go_back()
    page.page.get_by_role("heading", name="work off", level=1).wait_for()
    assert page.page.url.startswith(f"http://127.0.0.1:{viewer.port}/trace/{hex_trace(0xABC)}")


def test_a_link_within_the_trace_leads_to_its_span(page: Visit, demo: Demo) -> None:
    page.go(f"/trace/{demo.ids['detailed GET /']}", wait=".row[id]")
    page.page.locator(".row[id]", has_text="Backend TCP request").first.click()
    page.page.get_by_role("button", name="of this trace").click()
    assert page.text(".row.selected .words") == "haproxy-1 Frontend HTTP request"
    assert "opentracing.ref_type follows_from" in page.text(".details section:has(h3:text('Links'))")


def test_a_filter_is_in_the_address_and_in_the_form(page: Visit) -> None:
    page.go("/", wait="a.trace")
    assert len(page.texts("a.trace")) == 14
    page.page.get_by_label("Status").select_option("error")
    page.page.wait_for_url("**/search?status=error")
    page.page.get_by_text("4 traces", exact=True).wait_for()
    assert {text.split(" ")[1] + text.split(" ")[2] for text in page.texts("a.trace")} == {"GET/error", "GET/missing"}

    page.page.get_by_label("Tags").fill("http.response.status_code=404")
    page.page.keyboard.press("Enter")
    page.page.get_by_text("2 traces", exact=True).wait_for()
    page.page.reload()
    page.page.get_by_text("2 traces", exact=True).wait_for()
    assert page.page.get_by_label("Tags").input_value() == "http.response.status_code=404"
    assert page.page.get_by_label("Status").input_value() == "error"


def test_the_theme_is_the_systems_until_one_is_chosen_and_stays(at: Visits, demo: Demo) -> None:
    page = at(demo.viewer, scheme="dark").go("/", wait="a.trace")
    dark = _background(page)
    page.page.keyboard.press("t")
    light = _background(page)
    assert _brightness(dark) < 64 < 192 < _brightness(light)
    page.page.reload()
    page.page.locator("a.trace").first.wait_for()
    assert _background(page) == light
    page.page.get_by_role("button", name="Theme: light").click()
    page.page.get_by_role("button", name="Theme: dark").click()
    page.page.get_by_role("button", name="Theme: system").wait_for()
    assert _background(page) == dark


@pytest.mark.parametrize("path", ["/", "/graph", "/status", "trace"])
def test_on_a_phone_nothing_has_to_be_scrolled_sideways(at: Visits, demo: Demo, path: str) -> None:
    path = f"/trace/{demo.ids['detailed GET /error']}" if path == "trace" else path
    page = at(demo.viewer, size=PHONE).go(path)
    page.page.locator("a.trace, .row[id], .graph, .tiles").first.wait_for()
    assert page.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize("path", ["/", "/graph", f"/trace/{hex_trace(0x10)}?span={hex_span(2)}"])
def test_long_names_are_broken_or_cut(at: Visits, viewer: Running, path: str) -> None:
    viewer.send(long_names())
    page = at(viewer, size=PHONE).go(path)
    page.page.locator("a.trace, .row[id], .graph").first.wait_for()
    assert page.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    if path.startswith("/trace"):
        assert page.page.locator(".row[id]").first.is_visible()
        assert page.text("h1").endswith("…")
        assert page.texts(".spent li")[-1] == "and 6 others"
        button = page.page.get_by_role("button", name="Close").bounding_box()
        assert button is not None
        assert button["width"] >= 30


def test_on_a_phone_the_details_leave_their_span_in_sight(at: Visits, demo: Demo) -> None:
    page = at(demo.viewer, size=PHONE).go(f"/trace/{demo.ids['standard GET /error']}", wait=".row[id]")
    page.page.locator(".row[id]", has_text="render").tap()
    page.page.locator(".details").wait_for()
    row, details = page.box(".row.selected"), page.box(".details")
    assert 0 <= row["y"] <= row["y"] + row["height"] <= details["y"] + 1
    page.page.get_by_role("button", name="Close the details").tap()
    assert page.page.locator(".details").count() == 0


def test_a_trace_that_is_not_here_is_told(page: Visit) -> None:
    page.go(f"/trace/{hex_trace(0x404)}")
    page.page.get_by_role("heading", name="This trace is not here").wait_for()
    page.page.get_by_role("link", name="Search for traces").click()
    page.page.locator("a.trace").first.wait_for()


def test_help_tells_the_keys_and_closes(page: Visit) -> None:
    page.go("/", wait="a.trace")
    page.page.keyboard.press("?")
    dialog = page.page.get_by_role("dialog", name="Keyboard")
    assert "critical path" in dialog.inner_text()
    page.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def _background(page: Visit) -> str:
    return str(page.page.evaluate("getComputedStyle(document.body).backgroundColor"))


def _brightness(colour: str) -> float:
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
