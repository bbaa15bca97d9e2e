"""Behind real HAProxies: metrics count every request that was made, sampled or not, and logs lead to the traces."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import promtool
import pytest
from debian_haproxy import UnavailableError
from haproxy_versions import HaproxyVersion
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.samples import Sample

from admin.pages import OPENMETRICS, ask
from haproxy_telemetry.otlp.settings import GRPC, JSON, PROTOBUF
from otlp.receiver import Receiver, receiving
from otlp.test_rotel import rotel_before
from peer.conftest import StartAgent, StartHaproxy
from peer.http_client import request
from peer.origin import Origin
from peer.processes import LOOPBACK, wait_until
from peer.test_generated import Running, exchange
from peer.tracing_agent import TracingAgent

REQUESTS = 40
SERVER = 2  # SpanKind
PATHS = ["/one", "/404", "/two", "/503", "/three"]
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


class Asked(NamedTuple):
    """What the client sent, and the status that it got."""

    path: str
    sampled: bool
    status: int


@dataclass
class Client:
    """Counts what it asks for; each request in reason has a caller of its own, by whose trace id it is found again."""

    port: int
    answers: Counter[int] = field(default_factory=Counter)
    asked: dict[int, Asked] = field(default_factory=dict)

    def ask(self, percent: int) -> None:
        """Ask for one thing after the other, of which so many of a hundred are sampled by their caller."""
        for _ in range(REQUESTS):
            number, sampled = len(self.asked) + 1, len(self.asked) % 10 < percent // 10
            path = f"{PATHS[number % len(PATHS)]}?n={number}"
            traceparent = f"00-{number:032x}-{number:016x}-{'01' if sampled else '00'}"
            status = request(self.port, path, headers=[("traceparent", traceparent)]).status
            self.asked[number] = Asked(path.partition("?")[0], sampled, status)
            self.answers[status] += 1

    def misbehave(self, odd: Iterable[bytes]) -> None:
        """Send each of these on a connection of its own; count what is answered, which all of them are."""
        for one in odd:
            self.answers[int(exchange(self.port, one).split(b" ", 2)[1])] += 1


def points(sink: Receiver, name: str) -> list[tuple[dict[str, Any], Any]]:
    """A metric's series: attributes, and the point."""
    metric = sink.metrics[name]
    found: list[Any] = [*metric.histogram.data_points, *metric.sum.data_points]
    return [({a.key: plain(a.value) for a in point.attributes}, point) for point in found]


def plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


def agent_with_records(start_agent: StartAgent, endpoint: str, *arguments: str, **env: str) -> tuple[TracingAgent, str]:
    """Start an agent that sends all three signals and has its pages; return it and the address for records."""
    signals = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_METRICS_EXPORTER": "otlp,prometheus",
        "OTEL_LOGS_EXPORTER": "otlp",
        "HAPROXY_TELEMETRY_ADMIN_LISTEN": f"{LOOPBACK}:0",
    }
    arguments = ("--records", f"udp:{LOOPBACK}:0", *arguments)
    agent = start_agent(*arguments, export="otlp", env={**signals, **NONE_SENT, **env})
    [listening] = agent.logged("listening")
    return agent, listening["records"]


def page(agent: TracingAgent) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The samples of /metrics in OpenMetrics, by name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
    for sample in samples(agent):
        found[sample.name].append((sample.labels, sample.value))
    return found


def page_exemplars(agent: TracingAgent) -> set[tuple[str, str]]:
    """The trace and span to which the page's measurements of requests lead."""
    of = "http_server_request_duration_seconds_bucket"
    found = [one.exemplar.labels for one in samples(agent) if one.name == of and one.exemplar]
    return {(labels["trace_id"], labels["span_id"]) for labels in found}


def samples(agent: TracingAgent) -> list[Sample]:
    """All of /metrics in OpenMetrics. Whatever was sent, the strict parser takes it."""
    [listening] = agent.logged("listening")
    status, _, body = ask(listening["admin"], "/metrics", accept=OPENMETRICS)
    assert status == 200
    text = body.decode()
    assert text.splitlines() == text.split("\n")[:-1]  # a line for every reader, Unicode's too
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    families = parse_openmetrics(text)  # type: ignore[no-untyped-call]  # theirs
    return [sample for family in families for sample in family.samples]


def counted(agent: TracingAgent) -> Counter[int]:
    """By status, the sum over all series of requests."""
    found = Counter[int]()
    for labels, number in page(agent)["http_server_request_duration_seconds_count"]:
        found[int(labels["http_response_status_code"])] += int(number)
    return found


@pytest.mark.parametrize(("profile", "protocol"), [("zero-wait", JSON), ("standard", GRPC), ("detailed", PROTOBUF)])
def test_all_three_signals_tell_exactly_what_the_client_did(
    start_haproxy: StartHaproxy,
    start_agent: StartAgent,
    version: HaproxyVersion,
    origin: Origin,
    profile: str,
    protocol: str,
    tmp_path: Path,
) -> None:
    """At 0, 10 and 100 % sampling, and through a collector that was not written here."""
    with receiving() as sink, rotel_before(sink, tmp_path) as endpoints:
        # rotel 0.0.1a15 loses histograms in JSON whose counts are strings, as the specification wants them.
        endpoint = f"http://{LOOPBACK}:{sink.server_port}" if protocol == JSON else endpoints[protocol]
        agent, records = agent_with_records(start_agent, endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
        running = Running(
            start_haproxy, version, origin,
            profile=profile, agents=[f"{LOOPBACK}:{agent.port}"], records=records, processing="1s",
        )  # fmt: skip
        if profile != "zero-wait":
            wait_until(lambda: agent.totals().get("health_checks", 0) > 0, "a health check")
        client = Client(running.port)
        for percent in (0, 10, 100):
            client.ask(percent)
            wait_until(lambda: counted(agent) == client.answers, f"each request once, at {percent} %")
        client.misbehave((*ODD, *UNREADABLE))
        wait_until(lambda: counted(agent) == client.answers, "the odd ones")
        assert len(page(agent)["http_server_request_duration_seconds_count"]) < 20
        judge_page(agent)
        of_the_agent(agent, profile, client)
        shown = page_exemplars(agent)
        assert agent.stop() == 0
        asked = client.answers.total()
        last = {"http.server.request.duration", "haproxy_telemetry.records", "haproxy.sent.size"}
        wait_until(lambda: len(sink.logs) >= asked and last <= set(sink.metrics), "logs and metrics")
        wait_until(lambda: len(servers(sink)) >= sum(one.sampled for one in client.asked.values()), "the traces")
    traces_are_what_was_sent(sink, client)
    metrics_are_what_was_sent(sink, client, profile)
    assert shown <= {(span.trace_id.hex(), span.span_id.hex()) for span in sink.spans if span.kind == SERVER}
    assert shown
    logs_lead_to_traces(sink, asked)
    assert agent.complaints() == []


def judge_page(agent: TracingAgent) -> None:
    """Prometheus' own tool, where it can be had, has nothing to say."""
    with suppress(UnavailableError):
        promtool.find()
        [listening] = agent.logged("listening")
        assert promtool.complaints(ask(listening["admin"], "/metrics")[2]) == ""


def of_the_agent(agent: TracingAgent, profile: str, client: Client) -> None:
    """What it says of itself agrees with itself: each frame and record has one way, and each span."""
    found = {(name, *labels.values()): value for name, samples in page(agent).items() for labels, value in samples}
    own = "haproxy_telemetry_"
    assert found[f"{own}records_total",] == client.answers.total()
    if profile == "zero-wait":
        assert (f"{own}frames_total", "NOTIFY") not in found
        assert "haproxy_spoe_duration_seconds_count" not in page(agent)
        return
    frames = found[f"{own}frames_total", "NOTIFY"]
    assert frames >= len(client.asked) * (1 if profile == "standard" else 5)
    assert found[f"{own}frames_total", "ACK"] == found[f"{own}ack_seconds_count",] == frames
    assert found[f"{own}frames_total", "AGENT-HELLO"] == found[f"{own}frames_total", "HAPROXY-HELLO"]
    assert found["haproxy_spoe_duration_seconds_count", "traced"] >= len(client.asked)


def servers(sink: Receiver) -> dict[int, Any]:
    """The SERVER spans of requests whose caller the client was, by its number."""
    return {int.from_bytes(s.parent_span_id, "big"): s for s in sink.spans if s.kind == SERVER and s.parent_span_id}


def traces_are_what_was_sent(sink: Receiver, client: Client) -> None:
    """A trace for each request that was sampled, and for no other: of its caller, with its path and its answer."""
    told = {}
    for number, span in servers(sink).items():
        attributes = {a.key: plain(a.value) for a in span.attributes}
        assert int.from_bytes(span.trace_id, "big") == number
        told[number] = (attributes["url.path"], attributes["http.response.status_code"])
    assert told == {number: (one.path, one.status) for number, one in client.asked.items() if one.sampled}


def metrics_are_what_was_sent(sink: Receiver, client: Client, profile: str) -> None:
    by_status = Counter[int]()
    for attributes, point in points(sink, "http.server.request.duration"):
        by_status[attributes["http.response.status_code"]] += point.count
    assert by_status == client.answers
    for name in ("haproxy.received.size", "haproxy.sent.size"):
        assert sum(point.count for _, point in points(sink, name)) == client.answers.total()
    upstream = sum(point.count for _, point in points(sink, "http.client.request.duration"))
    own = sum(client.answers[status] for status in (400, 414, 431))  # HAProxy's own answers: 3.1 says 414
    assert upstream == client.answers.total() - own
    for name in ("haproxy.queue.duration", "haproxy.connect.duration"):
        assert sum(point.count for _, point in points(sink, name)) == upstream
    assert "otel.metric.overflow" not in {
        key for attributes, _ in points(sink, "haproxy.sent.size") for key in attributes
    }
    [(_, records)] = points(sink, "haproxy_telemetry.records")
    assert (records.as_int, sink.metrics["haproxy_telemetry.records"].sum.is_monotonic) == (
        client.answers.total(),
        True,
    )
    active(sink, profile)
    exemplars_lead_to_traces(sink)


def active(sink: Receiver, profile: str) -> None:
    """Only the message of `standard` tells of a request before its end; at the end none is under way."""
    if profile != "standard":
        assert "http.server.active_requests" not in sink.metrics
    else:
        assert {point.as_int for _, point in points(sink, "http.server.active_requests")} == {0}


def exemplars_lead_to_traces(sink: Receiver) -> None:
    spans = {(span.trace_id, span.span_id) for span in sink.spans}
    found = [(e.trace_id, e.span_id) for _, p in points(sink, "http.server.request.duration") for e in p.exemplars]
    assert set(found) <= spans
    assert found


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
