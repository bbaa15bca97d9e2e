"""Who is not answered: names that are not ours (DNS rebinding), other sites' pages, requests without bounds."""

from __future__ import annotations

from contextlib import suppress

import pytest

from viewer.otlp import Spec, request
from viewer.running import JSON, PROTOBUF, Running, running

EVERYWHERE = ["/", "/api/services", "/api/viewer/traces", "/api/viewer/live", "/api/v3/services", "/static/index.html"]


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:16686", "127.0.0.1.evil.example", "", "localhost.", "[::2]"]
)
def test_a_name_that_is_not_ours_is_refused(viewer: Running, path: str, host: str) -> None:
    reply = viewer.ask(path, headers={"Host": host})
    assert reply.status == 403
    assert "--allow-host" in reply.json["errors"][0]["msg"]


def test_two_hosts_are_refused(viewer: Running) -> None:
    reply = viewer.ask("/api/services", headers={"host": "evil.example"})
    assert reply.status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:16686", "127.0.0.1", "[::1]:16686"])
def test_loopbacks_names_are_ours(viewer: Running, host: str) -> None:
    assert viewer.ask("/api/services", headers={"Host": host}).status == 200


def test_a_name_that_was_allowed_is_ours() -> None:
    with running(hosts=("traces.example",)) as viewer:
        assert viewer.ask("/api/services", headers={"Host": "traces.example:8080"}).status == 200
        assert viewer.ask("/api/services", headers={"Host": "other.example"}).status == 403


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "https://{}"]
)
def test_a_page_of_another_site_is_refused(viewer: Running, path: str, origin: str) -> None:
    origin = origin.format(f"127.0.0.1:{viewer.port}")
    assert viewer.ask(path, headers={"Origin": origin}).status == 403


@pytest.mark.parametrize("kind", [PROTOBUF, JSON, "text/plain"])
def test_a_page_of_another_site_brings_no_spans_in(viewer: Running, kind: str) -> None:
    reply = viewer.ask(
        "/v1/traces",
        method="POST",
        body=request(Spec()).SerializeToString(),
        headers={"Content-Type": kind, "Origin": "http://evil.example"},
    )
    assert reply.status == 403
    status = viewer.get("/api/viewer/status")["viewer"]
    assert (status["spans"], status["received"]["rejected"]) == (0, {"foreign_origin": 1})


def test_our_own_page_may_ask(viewer: Running) -> None:
    assert viewer.ask("/api/services", headers={"Origin": f"http://127.0.0.1:{viewer.port}"}).status == 200


def test_no_other_site_is_ever_allowed_to_read(viewer: Running) -> None:
    for method in ("GET", "OPTIONS"):
        for origin in ({}, {"Origin": "http://evil.example"}):
            reply = viewer.ask("/api/services", method=method, headers=origin)
            assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", [*EVERYWHERE[:3], "/nothing", "/api/traces/zz", "/api/viewer/live"])
def test_every_answer_has_the_policy(viewer: Running, path: str) -> None:
    # The live stream of a client that is not there any more would be read for ever.
    headers = {"Host": "evil.example"} if path == "/api/viewer/live" else {}
    told = viewer.ask(path, headers=headers).headers
    policy = dict(part.strip().partition(" ")[::2] for part in told["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in told["content-security-policy"]
    assert told["x-content-type-options"] == "nosniff"
    assert told["cross-origin-resource-policy"] == "same-origin"


def test_a_long_query_and_a_long_path_are_refused(viewer: Running) -> None:
    assert viewer.ask("/api/services?x=" + "y" * 9000).status == 414
    assert viewer.ask("/" + "y" * 5000).status == 414


def test_a_large_head_is_refused(viewer: Running) -> None:
    assert viewer.ask("/api/services", headers={f"x-{n}": "y" * 1000 for n in range(40)}).status == 431


def test_a_head_without_end_is_refused(viewer: Running) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it is refused while we still send
        assert viewer.ask("/api/services", headers={f"x-{n}": "y" * 60_000 for n in range(200)}).status == 400
    assert viewer.ask("/api/services").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/api/traces", "/api/services", "/api/viewer/status", "/", "/api/viewer/traces/1"])
def test_nothing_but_otlp_changes_anything(viewer: Running, method: str, path: str) -> None:
    assert viewer.ask(path, method=method, body=b"").status in (404, 405)
