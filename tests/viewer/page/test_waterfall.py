"""The waterfall: its rows, HAProxy's phases, the critical path, what went wrong, zoom, keys, many spans."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from viewer.page.browser import Visit
from viewer.page.conftest import Visits
from viewer.page.look import look
from viewer.page.traces import Demo, hex_trace, incomplete, large
from viewer.running import Running

ROOT = Path(__file__).parent.parent.parent.parent
IMAGES = ROOT / "docs" / "images"
PICTURE, TOLD = IMAGES / "waterfall.png", IMAGES / "waterfall.txt"
IN_THE_PICTURE = "standard GET /error"


def rows(page: Visit) -> list[str]:
    return page.texts(".row[id]")


def words(page: Visit) -> list[str]:
    return page.texts(".row[id] .words")


def test_the_picture_in_the_readme_is_this_page(page: Visit, demo: Demo) -> None:
    """``WATERFALL=write`` takes it again; rows and look are written down beside it, and held against the page."""
    page.go(f"/trace/{demo.ids[IN_THE_PICTURE]}", wait=".row[id]")
    page.page.locator(".row[id]").nth(1).click()
    shown = [page.text("h1"), *rows(page), *page.texts(".details .banner, .details tbody tr"), f"look {look(page)}"]
    told = "\n".join(shown) + "\n"
    if os.environ.get("WATERFALL") == "write":
        IMAGES.mkdir(exist_ok=True)
        page.page.set_viewport_size({"width": 1280, "height": 560})
        page.page.screenshot(path=PICTURE)
        TOLD.write_text(told)
    assert f"({PICTURE.relative_to(ROOT)})" in (ROOT / "README.md").read_text()
    assert PICTURE.read_bytes().startswith(b"\x89PNG")
    assert TOLD.read_text() == told


def test_rows_say_who_did_what_and_for_whom(page: Visit, demo: Demo) -> None:
    page.go(f"/trace/{demo.ids['standard GET /']}", wait=".row[id]")
    assert words(page) == [
        "haproxy-1 GET",
        "haproxy-1 GET → next",
        "haproxy-2 GET",
        "haproxy-2 GET → next",
        "fake-server GET",
        "fake-server look up",
        "fake-server render",
    ]
    assert page.page.locator(".row[id]").evaluate_all("rows => rows.map(row => row.ariaLevel)") == list("1234566")
    assert page.text("h1") == "GET / 200"


def test_phases_are_parts_of_their_spans_and_rows_when_asked_for(page: Visit, demo: Demo) -> None:
    page.go(f"/trace/{demo.ids['standard GET /']}", wait=".row[id]")
    client = page.page.locator(".row[id]").nth(1)
    assert client.locator(".phase").evaluate_all("parts => parts.map(part => part.title.split(' ')[0])") == [
        "wait",
        "transfer",
    ]
    client.click()
    table = page.page.get_by_role("table")
    assert [row.split()[0] for row in table.locator("tbody tr").all_inner_texts()] == ["connect", "wait", "transfer"]
    page.page.keyboard.press("p")
    assert "haproxy-1 wait for response" in words(page)
    assert page.page.locator(".phase").count() == 0


def test_the_critical_path_is_told_by_service_and_drawn(page: Visit, demo: Demo) -> None:
    page.go(f"/trace/{demo.ids['standard GET /']}", wait=".row[id]")
    shares = page.page.get_by_role("list", name="Time on the critical path by service")
    assert [text.split()[0] for text in shares.locator("li").all_inner_texts()] == [
        "fake-server",
        "haproxy-2",
        "haproxy-1",
    ]
    assert page.page.locator(".row[id]", has_text="look up").locator(".critical").count() == 1
    page.page.keyboard.press("c")
    assert page.page.locator(".critical").count() == 0


def test_the_critical_path_goes_through_what_haproxy_waited_for(page: Visit, demo: Demo) -> None:
    """In `detailed`, "TCP response" and the next proxy's first span are siblings: the one waits for the other."""
    page.go(f"/trace/{demo.ids['detailed GET /']}", wait=".row[id]")
    shares = page.texts(".spent li")
    assert [text.split()[0] for text in shares] == ["fake-server", "haproxy-1", "haproxy-2"]


def test_how_a_stream_ended_is_told_in_words(page: Visit, demo: Demo) -> None:
    page.go(f"/trace/{demo.ids['standard GET /forbidden']}", wait=".row[id]")
    assert page.text(".trace-head .banner") == "haproxy-1 HAProxy refused the request PR--"
    page.page.keyboard.press("j")
    page.page.keyboard.press("Enter")
    assert page.text(".details .banner") == "HAProxy refused the request PR--"


def test_errors_are_marked_and_found_by_a_key(page: Visit, demo: Demo) -> None:
    page.go(f"/trace/{demo.ids['standard GET /missing']}", wait=".row[id]")
    assert page.text(".trace-head .mark.bad") == "! 2 errors"
    assert [text for text in words(page) if text.startswith("!")] == [
        "!haproxy-1 GET → next 404",
        "!haproxy-2 GET → next 404",
    ]
    for expected in ("haproxy-1", "haproxy-2", "haproxy-1"):
        page.page.keyboard.press("e")
        assert expected in page.text(".row.selected .words")


def test_what_is_incomplete_and_what_lacks_its_parent_is_marked(at: Visits, viewer: Running) -> None:
    viewer.send(incomplete())
    page = at(viewer).go(f"/trace/{hex_trace(0xDEF)}", wait=".row[id]")
    assert words(page) == ["edge GET incomplete", "edge lost child no parent"]
    assert page.page.locator(".trace-head", has_text="incomplete").count() == 1
    page.go("/search?status=incomplete", wait="a.trace")
    assert "incomplete" in page.text("a.trace")


def test_the_keyboard_walks_folds_and_unfolds(page: Visit, demo: Demo) -> None:
    page.go(f"/trace/{demo.ids['standard GET /']}", wait=".row[id]")
    press = page.page.keyboard.press
    press("End")
    assert page.text(".row.selected .words") == "fake-server render"
    press("ArrowLeft")
    assert page.text(".row.selected .words") == "fake-server GET"
    press("ArrowLeft")
    assert words(page)[-1] == "fake-server GET +2"
    press("ArrowRight")
    press("ArrowRight")
    assert page.text(".row.selected .words") == "fake-server look up"
    press("x")
    assert len(words(page)) == 1
    press("x")
    assert len(words(page)) == 7
    active = page.page.get_by_role("treegrid").get_attribute("aria-activedescendant")
    assert page.page.locator(f"#{active}").inner_text() == page.page.locator(".row.selected").inner_text()
    press("Escape")
    page.page.wait_for_url("**/search")


def test_a_drag_over_the_minimap_zooms_and_a_key_goes_back(page: Visit, demo: Demo) -> None:
    page.go(f"/trace/{demo.ids['standard GET /']}", wait=".row[id]")
    whole = page.texts(".tick")
    box = page.box(".minimap")
    page.page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 20)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20, steps=3)
    page.page.mouse.up()
    page.page.get_by_role("button", name="Whole trace").wait_for()
    assert page.texts(".tick")[0] == "16 ms"
    assert page.page.locator(".row[id]", has_text="look up").locator(".beside.before").count() == 1
    page.page.keyboard.press("0")
    assert page.texts(".tick") == whole


def test_ten_thousand_spans_have_as_many_rows_as_fit(at: Visits, viewer: Running) -> None:
    viewer.send(large(10_000))
    page = at(viewer).go(f"/trace/{hex_trace(0xB16)}", wait=".row[id]")
    grid = page.page.get_by_role("treegrid")
    assert grid.get_attribute("aria-rowcount") == "10001"
    assert page.page.locator(".row[id]").count() < 60
    assert words(page)[:2] == ["large step 1", "large step 2"]
    grid.evaluate("grid => grid.scrollTop = grid.scrollHeight / 2")
    page.page.locator('.row[aria-rowindex="5002"]').wait_for()
    assert page.page.locator(".row[id]").count() < 60
    page.page.keyboard.press("e")
    page.page.locator(".row.selected").wait_for()
    assert page.text(".row.selected .words") == "!large step 10000 error"
    assert page.page.locator(".row[id]").count() < 60


def test_the_trace_can_be_saved_for_others(page: Visit, demo: Demo) -> None:
    trace = demo.ids["standard GET /"]
    page.go(f"/trace/{trace}", wait=".row[id]")
    for button, name, holds in (("OTLP JSON", "otlp", "resourceSpans"), ("Perfetto", "perfetto", "traceEvents")):
        with page.page.expect_download() as started:
            page.page.get_by_role("link", name=button).click()
        assert started.value.suggested_filename == f"trace-{trace}-{name}.json"
        assert holds in Path(started.value.path()).read_text()
    assert "ui.perfetto.dev" in page.text("p.banner[role=status]")


@pytest.mark.parametrize("path", ["/trace/xyz", "/nowhere"])
def test_an_address_that_is_none_of_its_pages_is_no_page(page: Visit, path: str) -> None:
    status = page.viewer.ask(path).status
    if status == 200:
        page.go(path)
        assert page.page.get_by_role("heading").first.inner_text() in ("Nothing is here", "This trace is not here")
    else:
        assert status == 404
