"""100,000 spans into the viewer's store: how long that takes, in how much memory, and how long a search takes then.

``PYTHONPATH=src:tests python bench/viewer_store.py [FILE]``; without FILE the store is in
memory. Prints, and keeps nothing.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from haproxy_telemetry.viewer.database import Database
from haproxy_telemetry.viewer.decode import parse_protobuf, spans_of
from haproxy_telemetry.viewer.queries import Search
from haproxy_telemetry.viewer.store import Limits, Store
from viewer.otlp import Spec, Value, request

TRACES, SPANS, BATCH = 10_000, 10, 100
REPEAT = 5

SEARCHES = {
    "everything": Search(),
    "a service": Search(service="edge"),
    "an operation": Search(service="api", operation="op 7"),
    "a tag of 2 %": Search(tags={"http.response.status_code": "503"}),
    "a tag of one": Search(tags={"url.path": "/users/5"}),
    "a tag of none": Search(tags={"url.path": "/nope"}),
    "errors": Search(errors=True),
    "two tags of all, on no span together": Search(tags={"http.request.method": "GET", "k": "3"}),
    "a span's duration that none has": Search(min_span_ns=1, max_span_ns=2),
    "1500 traces of a tag of all": Search(tags={"url.scheme": "http"}, limit=1500),
}


def main() -> None:
    """Measure and print."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    store = Store(Database(file), Limits())
    decoding = writing = 0.0
    for first in range(0, TRACES, BATCH):
        body = request(*(spec for trace in range(first, first + BATCH) for spec in _specs(trace))).SerializeToString()
        began = time.perf_counter()
        spans = spans_of(parse_protobuf(body)).spans
        decoded = time.perf_counter()
        store.write(spans, time.time_ns())
        decoding, writing = decoding + decoded - began, writing + time.perf_counter() - decoded
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"decode {decoding:.2f} s, write {writing:.2f} s, {store.totals}, {memory:.0f} MiB at most")
    for name, search in SEARCHES.items():
        _tell(name, lambda search=search: store.search(search))  # type: ignore[misc]  # bound at once
    _tell("services", store.services)
    _tell("graph", lambda: store.graph(0, 2**62))
    store.close()


def _tell(name: str, ask: Callable[[], object]) -> None:
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        ask()
        times.append(time.perf_counter() - began)
    print(f"{name:40} {min(times) * 1000:7.1f} to {max(times) * 1000:7.1f} ms")


def _specs(trace: int) -> Iterator[Spec]:
    """Ten spans of two services; the first of each says what a HAProxy says of a stream."""
    failed = trace % 50 == 0
    tags: dict[str, Value] = {
        "http.request.method": "GET",
        "url.path": f"/users/{trace}",
        "http.response.status_code": 503 if failed else 200,
        "url.scheme": "http",
        "server.address": "shop.example",
        "server.port": 443,
        "client.address": f"10.0.{trace % 256}.{trace // 256 % 256}",
        "client.port": trace % 60_000,
        "network.protocol.version": "1.1",
        "user_agent.original": "curl/8",
        "haproxy.frontend.name": "web",
        "haproxy.backend.name": "origin",
        "haproxy.unique_id": f"{trace:032x}",
        "haproxy.bytes.sent": trace,
        "haproxy.termination.state": "----",
    }
    for number in range(SPANS):
        yield Spec(
            trace=trace + 1,
            span=trace * SPANS + number + 1,
            parent=trace * SPANS + 1 if number else 0,
            service="api" if number >= SPANS // 2 else "edge",
            name=f"op {number}",
            start=trace / 100,
            duration=0.05,
            error=failed and number == 0,
            tags=tags if number % 5 == 0 else {"k": number},
        )


if __name__ == "__main__":
    main()
