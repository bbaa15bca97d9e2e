"""What comes from outside is text, whatever it says; and the page's own files keep to its policy."""

from __future__ import annotations

import re

import pytest

from haproxy_telemetry.viewer.statics import read_files
from viewer.otlp import Spec, request
from viewer.page.conftest import Visits
from viewer.page.traces import hex_span, hex_trace, linked
from viewer.running import Running

HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def test_html_in_a_trace_is_shown_as_text(at: Visits, viewer: Running) -> None:
    hostile = Spec(
        trace=0xBAD,
        span=1,
        service=HOSTILE,
        name=HOSTILE,
        error=True,
        tags={
            HOSTILE: HOSTILE,
            "http.request.method": HOSTILE,
            "url.path": HOSTILE,
            "error.type": HOSTILE,
            "haproxy.termination.reason": HOSTILE,
            "haproxy.termination.state": HOSTILE,
            "list": [HOSTILE],
            "url.full": "javascript:document.title='taken'",
        },
        resource={HOSTILE: HOSTILE},
    )
    made = request(hostile)
    span = made.resource_spans[0].scope_spans[0].spans[0]
    span.trace_state = HOSTILE
    span.status.message = HOSTILE
    span.events.add(name=HOSTILE).attributes.add(key=HOSTILE).value.string_value = HOSTILE
    link = span.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8)
    link.attributes.add(key=HOSTILE).value.string_value = HOSTILE
    viewer.send(made)
    viewer.send(request(Spec(trace=0xBAD, span=2, parent=1, service="other " + HOSTILE)))
    page = at(viewer)

    for path in (f"/trace/{hex_trace(0xBAD)}?span={hex_span(1)}", "/search", "/graph", "/status"):
        page.go(path)
        page.page.locator(".details, a.trace, .graph, .tiles").first.wait_for()
        if path != "/status":
            assert "<img src=x" in page.page.locator("main").inner_text() + str(page.page.locator("main").inner_html())
        assert page.page.locator("main img, main script").count() == 0
        assert page.page.locator("a[href^='javascript']").count() == 0
        assert "taken" not in page.page.title().replace(HOSTILE, "")

    page.go(f"/trace/{hex_trace(0xBAD)}?span={hex_span(1)}", wait=".details")
    # Key and value of an attribute, of the event, of the link, of the resource; the title; the banners.
    assert page.page.locator(".details").inner_text().count(HOSTILE) >= 12


def test_the_policy_stops_a_script_that_got_in_all_the_same(at: Visits, viewer: Running) -> None:
    page = at(viewer).go("/")
    page.page.evaluate(
        "html => { const box = document.createElement('div'); document.body.append(box); box.innerHTML = html; }",
        HOSTILE,
    )
    page.page.wait_for_timeout(0)
    assert page.page.evaluate("document.title") != "taken"
    said = [text for text in page.complaints if "Content Security Policy" in text]
    assert said
    page.complaints.clear()
    page.requests.clear()


def test_a_link_leads_to_ids_and_nothing_else(at: Visits, viewer: Running) -> None:
    viewer.send(linked("ab" * 16, "cd" * 8))
    page = at(viewer).go(f"/trace/{hex_trace(0xABC)}?span={hex_span(0xA)}", wait=".details")
    hrefs = page.page.locator(".links a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert hrefs == [f"/trace/{'ab' * 16}?span={'cd' * 8}"]


OWN = {path: file for path, file in read_files().items() if not path.startswith("vendor/")}


@pytest.mark.parametrize("path", sorted(OWN))
def test_the_pages_own_files_do_nothing_that_would_need_a_weaker_policy(path: str) -> None:
    text = OWN[path].body.decode()
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert forbidden not in text
    if path.endswith(".html"):
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=", text)
    # No address but its own. The namespace of SVG is a name.
    assert re.findall(r"https?://[^\s\"'`)]+", text.replace("http://www.w3.org/2000/svg", "")) == []
