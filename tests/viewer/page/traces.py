"""What the viewers of these tests are fed with: the demo's traces as they were, and a few that no demo makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from viewer.otlp import Spec, request, span_id, trace_id
from viewer.running import JSON, Running

GOLDEN = Path(__file__).parent.parent.parent / "golden-traces"
PROFILES = ("standard", "detailed")


@dataclass(frozen=True)
class Demo:
    """A viewer that has the demo's traces; ``ids`` by profile and path, such as ``standard GET /error``."""

    viewer: Running
    ids: Mapping[str, str]


@cache
def golden(profile: str) -> tuple[str, ...]:
    """Return the requests of a profile, as JSON."""
    return tuple((GOLDEN / f"{profile}.jsonl").read_text().splitlines())


def feed_demo(viewer: Running) -> Demo:
    """Send all of them, and find out which trace is about what."""
    ids: dict[str, str] = {}
    for profile in PROFILES:
        for line in golden(profile):
            reply = viewer.post(line.encode(), JSON)
            assert reply.status == 200, reply
        ids |= {f"{profile} {name}": trace for name, trace in _requests(profile)}
    return Demo(viewer, ids)


def _requests(profile: str) -> list[tuple[str, str]]:
    """Return method and path of each trace that HAProxy saw, as its first span says it, with the trace's id."""
    found = []
    for line in golden(profile):
        for group in json.loads(line)["resourceSpans"]:
            service = _attributes(group["resource"])["service.name"]
            for span in (span for scope in group["scopeSpans"] for span in scope["spans"]):
                told = _attributes(span)
                if service == "haproxy-1" and "url.path" in told:
                    found.append((f"{told['http.request.method']} {told['url.path']}", span["traceId"]))
    return found


def _attributes(of: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: next(iter(pair["value"].values())) for pair in of.get("attributes", ())}


def linked(to_trace: str, to_span: str) -> ExportTraceServiceRequest:
    """Return a trace whose only span has a link to a span of another trace."""
    made = request(Spec(trace=0xABC, span=0xA, service="batch", name="work off"))
    [span] = made.resource_spans[0].scope_spans[0].spans
    span.links.add(trace_id=bytes.fromhex(to_trace), span_id=bytes.fromhex(to_span))
    return made


def incomplete() -> ExportTraceServiceRequest:
    """Return a trace whose end nobody told, and a span in it whose parent never came."""
    return request(
        Spec(trace=0xDEF, span=1, service="edge", tags={"haproxy.incomplete": True}),
        Spec(trace=0xDEF, span=2, parent=99, service="edge", name="lost child", start=0.5),
    )


def long_names() -> ExportTraceServiceRequest:
    """Return a trace of twelve services whose names, routes and path are longer than a phone is wide."""
    name = "a-service-with-a-rather-long-name-in-a-namespace-of-some-cluster"
    told = {"http.request.method": "GET", "url.path": "/quite/a/long/path" * 40}
    return request(
        *(
            Spec(
                trace=0x10,
                span=n,
                parent=n - 1,
                service=f"{name}-{n}",
                name="route" * 40,
                start=n / 100,
                duration=1 - n / 50,
                tags={} if n > 1 else told,
            )
            for n in range(1, 13)
        )
    )


def large(spans: int, trace: int = 0xB16) -> ExportTraceServiceRequest:
    """Return one trace of so many spans: a root, and chains of ten below it. The last of them is in error."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.CopyFrom(request(Spec(service="large")).resource_spans[0].resource)
    scope = group.scope_spans.add()
    for number in range(1, spans + 1):
        parent = 0 if number == 1 else number - 1 if number % 10 else 1
        one = Spec(
            trace=trace,
            span=number,
            parent=parent,
            name=f"step {number}",
            kind=1,
            start=number / spans,
            duration=1.0 if number == 1 else 0.5 / spans,
            error=number == spans,
        )
        scope.spans.append(request(one).resource_spans[0].scope_spans[0].spans[0])
    return made


def hex_trace(number: int) -> str:
    return trace_id(number).hex()


def hex_span(number: int) -> str:
    return span_id(number).hex()
