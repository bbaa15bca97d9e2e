"""The service graph, and the status page of a real agent that somebody spoke to in another language."""

from __future__ import annotations

import socket
from pathlib import Path

from peer.processes import free_port, wait_until
from peer.tracing_agent import TracingAgent
from viewer.page.axe import CONTRAST, RULES, violations
from viewer.page.browser import Visit
from viewer.page.conftest import Visits
from viewer.running import running


def test_the_graph_says_who_calls_whom_and_leads_to_the_traces(page: Visit) -> None:
    page.go("/graph", wait="svg a")
    assert [text.split() for text in page.texts("tbody tr")] == [
        ["haproxy-1", "haproxy-2", "10", "2"],
        ["haproxy-2", "fake-server", "10", "2"],
    ]
    xs = page.page.locator("svg a .box").evaluate_all("boxes => boxes.map(box => Number(box.getAttribute('x')))")
    names = page.texts("svg a .title")
    assert sorted(names, key=lambda name: xs[names.index(name)]) == ["haproxy-1", "haproxy-2", "fake-server"]
    page.page.get_by_role("link", name="haproxy-2, 95 spans, 6 errors: show its traces").click()
    page.page.wait_for_url("**/search?service=haproxy-2")
    page.page.get_by_text("10 traces", exact=True).wait_for()


def test_a_viewer_without_an_agent_says_how_to_name_one(page: Visit) -> None:
    page.go("/status", wait=".tiles")
    assert "--agent" in page.text(".banner")
    assert "Traces 14" in page.text(".tiles")


def test_the_status_of_an_agent_says_why_nothing_is_to_be_seen(at: Visits, tmp_path: Path) -> None:
    admin = free_port()
    agent = TracingAgent(tmp_path, env={"HAPROXY_TELEMETRY_ADMIN_LISTEN": f"127.0.0.1:{admin}"})
    try:
        with running(agent=f"http://127.0.0.1:{admin}") as viewer:
            page = at(viewer).go("/status", wait=".chain li")
            first = page.page.locator(".chain li").first
            assert "nothing" in first.inner_text()
            assert "no HAProxy has connected" in page.text(".answer")
            with socket.create_connection(("127.0.0.1", agent.port)) as somebody:
                somebody.sendall(b"GET / HTTP/1.1\r\n\r\n")
                somebody.settimeout(5)
                wait_until(lambda: viewer.get("/api/viewer/status")["agent"]["protocol_errors"], "the fault")
            page.page.locator(".faults li").wait_for()
            assert "not spop" in page.text(".faults li")
            assert page.page.locator(".chain li.bad").count() >= 1
            assert violations(page, RULES) == []
            page.page.emulate_media(color_scheme="dark")
            assert violations(page, CONTRAST) == []
    finally:
        agent.stop()
