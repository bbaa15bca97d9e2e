"""Behind real HAProxies: metrics count every request that was made, sampled or not, and logs lead to the traces."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from haproxy_versions import HaproxyVersion

from otlp.receiver import Receiver, receiving
from otlp.test_rotel import rotel_before
from peer.conftest import FOUND, StartAgent, StartHaproxy
from peer.http_client import request
from peer.origin import Origin
from peer.processes import LOOPBACK, wait_until
from peer.test_generated import Running, exchange
from peer.tracing_agent import TracingAgent

REQUESTS = 60
PATHS = ["/one", "/404", "/two?q=1", "/503", "/three"]
NONE_SENT = {"OTEL_METRIC_EXPORT_INTERVAL": "3600000"}  # but at the end

# What a client that means harm may send, each on a connection of its own.
ODD = [
    b"BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n",
    b"get / HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET / HTTP/7.3\r\n\r\n",
    b"GET /%ff%00%0a" + b"y" * 4000 + b" HTTP/1.1\r\nhost: x\r\nx-long: " + b"z" * 4000 + b"\r\n\r\n",
    b"M" * 200 + b" / HTTP/1.1\r\nhost: x\r\n\r\n",
]
# HAProxy cannot parse these, or not all of its versions can: they have a record all the same.
UNREADABLE = [
    b"GET /\xc3\x28 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"w" * 20_000 + b"\r\n\r\n",
    b"\x00\x01\x02\r\n\r\n",
    b"get / HTTP/1.1\r\nhost: \x80\xff\r\n\r\n",
]


def caller(number: int, percent: int) -> list[tuple[str, str]]:
    """The traceparent of a caller that samples so many of a hundred."""
    sampled = number % 10 < percent // 10
    return [("traceparent", f"00-{number + 1:032x}-{number + 1:016x}-{'01' if sampled else '00'}")]


def make_requests(port: int, percent: int) -> Counter[int]:
    """Ask for one thing after the other; return how many answers of each status there were, as far as recorded."""
    answers = Counter[int]()
    for number in range(REQUESTS):
        answers[request(port, PATHS[number % len(PATHS)], headers=caller(number, percent)).status] += 1
    for odd in (*ODD, *UNREADABLE):
        answers[int(exchange(port, odd).split(b" ", 2)[1])] += 1
    return answers


def points(sink: Receiver, name: str) -> list[tuple[dict[str, Any], Any]]:
    """A metric's series: attributes, and the point."""
    metric = sink.metrics[name]
    found: list[Any] = [*metric.histogram.data_points, *metric.sum.data_points]
    return [({a.key: plain(a.value) for a in point.attributes}, point) for point in found]


def plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


def agent_with_records(start_agent: StartAgent, endpoint: str, **env: str) -> tuple[TracingAgent, str]:
    """Start an agent that sends all three signals; return it and the address for records."""
    signals = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"}
    agent = start_agent("--records", f"udp:{LOOPBACK}:0", export="otlp", env={**signals, **NONE_SENT, **env})
    [listening] = agent.logged("listening")
    return agent, listening["records"]


@pytest.mark.parametrize("percent", [0, 10, 100])
@pytest.mark.parametrize("profile", ["standard", "zero-wait"])
def test_the_sum_over_series_is_what_the_client_counted(
    start_haproxy: StartHaproxy,
    start_agent: StartAgent,
    version: HaproxyVersion,
    origin: Origin,
    profile: str,
    percent: int,
) -> None:
    with receiving() as sink:
        agent, records = agent_with_records(start_agent, f"http://{LOOPBACK}:{sink.server_port}")
        running = Running(
            start_haproxy, version, origin,
            profile=profile, agents=[f"{LOOPBACK}:{agent.port}"], records=records,
        )  # fmt: skip
        if profile == "standard":
            wait_until(lambda: agent.totals().get("health_checks", 0) > 0, "a health check")
        answers = make_requests(running.port, percent)
        asked = answers.total()
        wait_until(lambda: agent.totals().get("records", 0) >= asked, f"{asked} records")
        assert agent.stop() == 0
    counted = Counter[int]()
    for attributes, point in points(sink, "http.server.request.duration"):
        counted[attributes["http.response.status_code"]] += point.count
    assert counted == answers
    assert len(points(sink, "http.server.request.duration")) < 20
    for name in ("haproxy.received.size", "haproxy.sent.size"):
        assert sum(point.count for _, point in points(sink, name)) == asked
    upstream = sum(point.count for _, point in points(sink, "http.client.request.duration"))
    assert upstream == asked - answers[400] - answers[431]  # HAProxy answered these by itself
    for name in ("haproxy.queue.duration", "haproxy.connect.duration"):
        assert sum(point.count for _, point in points(sink, name)) == upstream
    assert "otel.metric.overflow" not in {
        key for attributes, _ in points(sink, "haproxy.sent.size") for key in attributes
    }
    active(sink, profile)
    exemplars_lead_to_traces(sink, percent)
    logs_lead_to_traces(sink, asked)
    assert agent.complaints() == []


def active(sink: Receiver, profile: str) -> None:
    """Only messages tell of a request before its end; at the end none is under way."""
    if profile == "zero-wait":
        assert "http.server.active_requests" not in sink.metrics
    else:
        assert {point.as_int for _, point in points(sink, "http.server.active_requests")} == {0}


def exemplars_lead_to_traces(sink: Receiver, percent: int) -> None:
    spans = {(span.trace_id, span.span_id) for span in sink.spans}
    found = [(e.trace_id, e.span_id) for _, p in points(sink, "http.server.request.duration") for e in p.exemplars]
    assert set(found) <= spans
    assert found or percent == 0


def logs_lead_to_traces(sink: Receiver, asked: int) -> None:
    assert len(sink.logs) == asked
    spans = {(span.trace_id, span.span_id): span for span in sink.spans}
    for log in sink.logs:
        if log.flags & 1:
            span = spans[log.trace_id, log.span_id]
            assert {a.key: plain(a.value) for a in log.attributes} == {a.key: plain(a.value) for a in span.attributes}
    severities = Counter(log.severity_text for log in sink.logs)
    assert severities.total() == asked
    assert severities["ERROR"] >= REQUESTS // 5


@pytest.mark.parametrize("version", [FOUND.versions[-1]], ids=lambda version: version.name)
def test_a_collector_not_written_here_understands_metrics_and_logs(
    start_haproxy: StartHaproxy, start_agent: StartAgent, version: HaproxyVersion, origin: Origin, tmp_path: Path
) -> None:
    with receiving() as sink, rotel_before(sink, tmp_path) as collector:
        agent, records = agent_with_records(start_agent, f"http://{LOOPBACK}:{collector}")
        running = Running(start_haproxy, version, origin, profile="zero-wait", records=records)
        answers = make_requests(running.port, 100)
        wait_until(lambda: agent.totals().get("records", 0) >= answers.total(), "the records")
        assert agent.stop() == 0
        wait_until(lambda: len(sink.logs) >= answers.total() and len(sink.metrics) >= 6, "logs and metrics")
    assert sum(point.count for _, point in points(sink, "http.server.request.duration")) == answers.total()
    exemplars_lead_to_traces(sink, 100)
    logs_lead_to_traces(sink, answers.total())
