"""The API over HTTP: the requests of Jaeger's UI and of Grafana's Jaeger data source, and the page's own.

The requests are those that jaeger-ui (packages/jaeger-ui/src/api/jaeger.ts and v3/client.ts, August 2026) and grafana
(pkg/tsdb/jaeger/client.go and grpc_client.go) send; what is asserted of an answer is what they read of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from haproxy_telemetry.viewer import api
from haproxy_telemetry.viewer.spans import RootFacts
from haproxy_telemetry.viewer.summary import root_facts
from viewer.otlp import BEGIN, SECOND, Spec, request, span, trace_id
from viewer.running import Running, running

A, B = trace_id(0xABC).hex(), trace_id(2**127 + 1).hex()
SPECS = [
    Spec(
        trace=0xABC,
        span=0xA1,
        service="haproxy-1",
        start=0,
        tags={"http.request.method": "GET", "url.path": "/x", "http.response.status_code": 200, "n": 7, "f": 0.5},
        resource={"host.name": "h"},
    ),
    Spec(trace=0xABC, span=0xA2, parent=0xA1, service="origin", name="GET /x", kind=2, start=0.25, duration=0.5),
    Spec(
        trace=2**127 + 1,
        span=0xB1,
        parent=0xB0,
        service="haproxy-1",
        start=60,
        error=True,
        tags={"http.response.status_code": 503, "haproxy.termination.reason": "no server", "haproxy.incomplete": True},
    ),
]


@pytest.fixture(scope="module")
def viewer() -> Iterator[Running]:
    with running() as one:
        one.send(request(*SPECS))
        yield one


# Jaeger's UI


def test_jaegers_ui_finds_services_and_operations(viewer: Running) -> None:
    assert viewer.get("/api/v3/services") == {"services": ["haproxy-1", "origin"]}
    assert viewer.get("/api/v3/operations?service=origin") == {"operations": [{"name": "GET /x", "spanKind": "server"}]}
    assert viewer.get("/api/operations?service=haproxy-1&spanKind=server")["data"] == [
        {"name": "GET", "spanKind": "server"}
    ]
    assert viewer.get("/api/operations?service=haproxy-1&spanKind=client")["data"] == []


def test_jaegers_ui_searches_summaries(viewer: Running) -> None:
    asked = {
        "query.serviceName": "haproxy-1",
        "query.startTimeMin": "2026-09-21T00:00:00.000Z",
        "query.startTimeMax": "2026-12-30T00:00:00.000Z",
        "query.searchDepth": "20",
        "query.durationMin": "100ms",
        "query.attributes": '{"http.response.status_code":"200"}',
    }
    assert viewer.get(f"/api/v3/trace-summaries?{urlencode(asked)}") == {
        "summaries": [
            {
                "traceId": A,
                "rootServiceName": "haproxy-1",
                "rootOperationName": "GET",
                "minStartTimeUnixNano": str(BEGIN),
                "maxEndTimeUnixNano": str(BEGIN + SECOND),
                "spanCount": 2,
                "errorSpanCount": 0,
                "orphanSpanCount": 0,
                "services": [
                    {"name": "haproxy-1", "spanCount": 1, "errorSpanCount": 0},
                    {"name": "origin", "spanCount": 1, "errorSpanCount": 0},
                ],
            }
        ]
    }
    everything = viewer.get("/api/v3/trace-summaries?query.searchDepth=20")
    assert [(one["traceId"], one["orphanSpanCount"]) for one in everything["summaries"]] == [(B, 1), (A, 0)]


def test_jaegers_ui_opens_a_trace_of_version_1(viewer: Running) -> None:
    told = viewer.get(f"/api/traces/{A}")
    assert (told["errors"], told["limit"], told["offset"]) == (None, 0, 0)
    (trace,) = told["data"]
    assert trace["traceID"] == A
    first, second = trace["spans"]
    assert (first["operationName"], first["startTime"], first["duration"]) == ("GET", BEGIN // 1000, 1_000_000)
    assert second["references"] == [{"refType": "CHILD_OF", "traceID": A, "spanID": "00000000000000a1"}]
    tags = {tag["key"]: (tag["type"], tag["value"]) for tag in first["tags"]}
    assert tags["n"] == ("int64", 7)
    assert tags["f"] == ("float64", 0.5)
    assert tags["url.path"] == ("string", "/x")
    assert tags["span.kind"] == ("string", "server")
    process = trace["processes"][first["processID"]]
    assert process["serviceName"] == "haproxy-1"
    assert process["tags"] == [{"key": "host.name", "type": "string", "value": "h"}]


def test_an_error_is_a_tag_in_version_1(viewer: Running) -> None:
    ((span,),) = [trace["spans"] for trace in viewer.get(f"/api/traces/{B}")["data"]]
    assert {"key": "error", "type": "bool", "value": True} in span["tags"]


@pytest.mark.parametrize("written", ["abc", "ABC", "0000000000000abc", A])
def test_an_id_may_have_lost_its_zeros(viewer: Running, written: str) -> None:
    assert viewer.get(f"/api/traces/{written}")["data"][0]["traceID"] == A
    assert viewer.get(f"/api/v3/traces/{written}")["result"]["resourceSpans"]


def test_a_trace_that_is_not_here_is_a_404_in_jaegers_shape(viewer: Running) -> None:
    reply = viewer.ask("/api/traces/dead")
    assert (reply.status, reply.json["errors"]) == (404, [{"code": 404, "msg": "trace not found"}])
    reply = viewer.ask("/api/v3/traces/dead")
    assert (reply.status, reply.json["error"]["httpCode"], reply.json["error"]["grpcCode"]) == (404, 404, 5)


@pytest.mark.parametrize("path", ["/api/traces/xyz", "/api/traces?limit=x", "/api/traces?tags=%5B", "/api/operations"])
def test_a_wrong_request_is_a_400_in_jaegers_shape(viewer: Running, path: str) -> None:
    reply = viewer.ask(path)
    assert (reply.status, reply.json["errors"][0]["code"]) == (400, 400)


def test_jaegers_ui_draws_dependencies(viewer: Running) -> None:
    later = (BEGIN + 3600 * SECOND) // 10**6
    link = {"parent": "haproxy-1", "child": "origin", "callCount": 1}
    assert viewer.get(f"/api/dependencies?endTs={later}&lookback=604800000")["data"] == [link]
    assert viewer.get(f"/api/dependencies?endTs={later}&lookback=60000")["data"] == []
    assert viewer.get("/api/v3/dependencies")["dependencies"] == [{**link, "callCount": "1"}]


def test_all_tags_of_a_search_count_where_each_has_its_own_parameter(viewer: Running) -> None:
    found = [viewer.get(f"/api/traces?tag=n:{n}&tag=url.path:/x")["total"] for n in (7, 8)]
    assert found == [1, 0]
    many = "&".join(f"tag=k{n}:v" for n in range(33))
    assert viewer.ask(f"/api/traces?{many}").json["errors"][0]["msg"] == "tag: expected at most 32 tags, not '33'"


@pytest.mark.parametrize(("room", "expected"), [(1, [B]), (2, [B]), (3, [B, A])])
def test_an_answer_has_room_for_so_many_spans_and_for_one_trace_in_any_case(
    viewer: Running, monkeypatch: pytest.MonkeyPatch, room: int, expected: list[str]
) -> None:
    monkeypatch.setattr(api, "MAX_SPANS", room)
    told = viewer.get("/api/traces?service=haproxy-1")
    assert ([trace["traceID"] for trace in told["data"]], told["total"]) == (expected, 2)
    newer = viewer.get("/api/v3/traces?query.serviceName=haproxy-1")["result"]["resourceSpans"]
    ids = [span["traceId"] for one in newer for scope in one["scopeSpans"] for span in scope["spans"]]
    assert list(dict.fromkeys(ids)) == expected


# Grafana


def test_grafana_lists_services_and_operations(viewer: Running) -> None:
    assert viewer.get("/api/services")["data"] == ["haproxy-1", "origin"]
    assert viewer.get("/api/services/origin/operations")["data"] == ["GET /x"]
    assert viewer.get("/api/services/haproxy-1/operations")["data"] == ["GET"]


def test_a_service_may_have_a_slash(viewer: Running) -> None:
    viewer.send(request(Spec(trace=77, service="team/shop", name="op")))
    assert viewer.get(f"/api/services/{quote('team/shop', safe='')}/operations")["data"] == ["op"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"service": "haproxy-1", "limit": "20"}, [B, A]),
        ({"service": "haproxy-1", "limit": "1"}, [B]),
        ({"service": "origin", "operation": "GET /x"}, [A]),
        ({"service": "haproxy-1", "tags": '{"error":"true"}'}, [B]),
        ({"service": "haproxy-1", "minDuration": "900ms", "maxDuration": "1.2s"}, [B, A]),
        ({"service": "origin", "minDuration": "600ms"}, []),
        (
            {"service": "haproxy-1", "start": str(BEGIN // 1000 + 30_000_000), "end": str(BEGIN // 1000 + 90_000_000)},
            [B],
        ),
    ],
)
def test_grafana_searches_traces(viewer: Running, asked: dict[str, str], expected: list[str]) -> None:
    found = viewer.get(f"/api/traces?{urlencode(asked)}")["data"]
    assert [trace["traceID"] for trace in found] == expected


def test_traces_are_had_by_their_ids(viewer: Running) -> None:
    found = viewer.get(f"/api/traces?traceID={B}&traceID=abc&traceID=dead")["data"]
    assert [trace["traceID"] for trace in found] == [B, A]


def test_grafana_opens_a_trace_of_version_3_with_its_time_not_encoded(viewer: Running) -> None:
    path = f"/api/v3/traces/{A}?start_time=2026-09-21T00:00:00+02:00&end_time=2026-12-01T00:00:00Z"
    first, second = viewer.get(path)["result"]["resourceSpans"]
    assert first["resource"]["attributes"][0] == {"key": "service.name", "value": {"stringValue": "haproxy-1"}}
    assert first["scopeSpans"][0]["scope"] == {"name": "tests"}
    assert first["schemaUrl"] == "https://opentelemetry.io/schemas/1.44.0"
    assert second["scopeSpans"][0]["spans"][0]["parentSpanId"] == "00000000000000a1"


def test_grafana_searches_version_3(viewer: Running) -> None:
    times = "query.start_time_min=2026-09-20T00:00:00+02:00&query.start_time_max=2026-12-01T00:00:00Z"
    found = viewer.get(f"/api/v3/traces?query.service_name=origin&{times}")
    assert len(found["result"]["resourceSpans"]) == 2
    assert viewer.ask(f"/api/v3/traces?query.service_name=nobody&{times}").json["error"]["httpCode"] == 404


# The page's own


def test_the_pages_list(viewer: Running) -> None:
    told = viewer.get(f"/api/viewer/traces?{urlencode({'service': 'haproxy-1', 'status': 'error'})}")
    assert told["total"] == 1
    (summary,) = told["traces"]
    assert summary == {
        "traceId": B,
        "name": "GET",
        "service": "haproxy-1",
        "kind": 2,
        "startUnixNano": str(BEGIN + 60 * SECOND),
        "durationNano": str(SECOND),
        "spans": 1,
        "errors": 1,
        "orphans": 1,
        "incomplete": True,
        "method": None,
        "path": None,
        "httpStatus": 503,
        "termination": "no server",
        "services": [{"name": "haproxy-1", "spans": 1, "errors": 1}],
    }


def test_the_pages_graph(viewer: Running) -> None:
    told = viewer.get("/api/viewer/graph")
    assert {"from": "haproxy-1", "to": "origin", "calls": 1, "errors": 0} in told["edges"]
    assert {"service": "haproxy-1", "spans": 2, "errors": 1} in told["nodes"]
    assert viewer.get("/api/viewer/graph?lookback=1m") == {"nodes": [], "edges": []}


def test_the_status_says_what_came_and_what_is_held(viewer: Running) -> None:
    told = viewer.get("/api/viewer/status")
    assert told["agent"] is None
    assert "--agent" in told["agentError"]
    assert told["viewer"]["spans"] >= 3
    assert told["viewer"]["limits"]["max_traces"] == 20_000


def test_perfetto_gets_spans_as_events(viewer: Running) -> None:
    reply = viewer.ask(f"/api/viewer/traces/{A}/perfetto")
    assert reply.headers["content-disposition"].endswith('-perfetto.json"')
    events = reply.json["traceEvents"]
    assert [event["args"]["name"] for event in events if event["ph"] == "M"] == ["haproxy-1", "origin"]
    whole = [(event["name"], event["ts"], event["dur"]) for event in events if event["ph"] == "X"]
    assert whole == [("GET", 0.0, 1_000_000.0), ("GET /x", 250_000.0, 500_000.0)]


def test_what_the_root_says_may_be_said_in_the_old_names() -> None:
    old = Spec(tags={"http.method": "PUT", "http.target": "/o", "http.status_code": 404})
    assert root_facts(span(old).SerializeToString()) == RootFacts("PUT", "/o", 404, None)


@pytest.mark.parametrize("page", ["/", "/search", f"/trace/{A}", "/graph", "/status"])
def test_each_page_is_the_one_page(viewer: Running, page: str) -> None:
    reply = viewer.ask(page)
    assert reply.content_type == "text/html; charset=utf-8"
    again = viewer.ask(page, headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_text_of_any_kind_comes_through(viewer: Running) -> None:
    strange = "<script>alert(1)</script>\u2028\x00\U0001f600"
    viewer.send(request(Spec(trace=88, service=strange, name=strange, tags={strange: strange})))
    assert viewer.get(f"/api/viewer/traces?{urlencode({'service': strange})}")["traces"][0]["name"] == strange
    reply = viewer.ask("/api/traces/58")
    assert reply.content_type == "application/json"
    assert reply.json["data"][0]["spans"][0]["operationName"] == strange
