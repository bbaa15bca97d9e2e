"""Streams that have left the assembler: a real HAProxy's record, and what differs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from haproxy_telemetry.metrics.points import Attributes, Data, HistogramData, HistogramPoint, Metric, NumberData
from haproxy_telemetry.metrics.traffic import Traffic
from haproxy_telemetry.records.parse import parse_record
from haproxy_telemetry.trace.http import server_attributes
from haproxy_telemetry.trace.stream import EndedStream, EndOfStream, Timers

TRACE_ID = bytes(range(16))
SPAN_ID = bytes(range(8))
MS = 1_000_000


def _captured() -> EndOfStream:
    """A GET through HAProxy 3.2.26, its times replaced by longer ones."""
    lines = (Path(__file__).parents[1] / "golden-records" / "3.2.26.txt").read_bytes().splitlines()
    end = parse_record(next(line.partition(b"\t")[2] for line in lines if line.startswith(b"get\t")))
    timers = Timers(10 * MS, 20 * MS, 30 * MS, 40 * MS, 250 * MS)
    return end.replaced(end_ns=end.start_ns + 250 * MS, timers=timers)


GOOD = _captured()


def ended(*, exported: bool = True, extra: Attributes = (), seen_ns: int = 0, **changes: Any) -> EndedStream:
    """The good stream with some of its fields, or its request's, changed."""
    of_request = {key: changes.pop(key) for key in list(changes) if key in GOOD.request.names()}
    end = GOOD.replaced(request=GOOD.request.replaced(**of_request), **changes)
    attributes = (*server_attributes(end), *extra)
    seen_ns = seen_ns or end.end_ns + MS
    return EndedStream(end, seen_ns, TRACE_ID, SPAN_ID, int(exported), exported, attributes, None)


def timers(*ms: int | None, active: int = 250) -> Timers:
    """TR, Tw, Tc, Tr in milliseconds."""
    request, queue, connect, response = [None if one is None else one * MS for one in ms]
    return Timers(request, queue, connect, response, active * MS)


def traffic_of(*streams: EndedStream) -> Traffic:
    from haproxy_telemetry.stats import Stats

    traffic = Traffic(Stats(), 1)
    for stream in streams:
        traffic.ended(stream)
    return traffic


def of(traffic: Traffic, metric: Metric) -> list[Data]:
    return [data for data in traffic.collect() if data.metric is metric]


def series(traffic: Traffic, metric: Metric) -> dict[Attributes, HistogramPoint]:
    """The series of a histogram by their attributes."""
    found = of(traffic, metric)
    return {point.attributes: point for data in found if isinstance(data, HistogramData) for point in data.points}


def numbers(traffic: Traffic, metric: Metric) -> dict[Attributes, float]:
    found = of(traffic, metric)
    return {point.attributes: point.value for data in found if isinstance(data, NumberData) for point in data.points}


def total(traffic: Traffic, metric: Metric) -> int:
    """The sum over all series of how many measurements there were."""
    return sum(point.total for point in series(traffic, metric).values())


def hostile(chance: random.Random) -> EndedStream:
    """What a client that means harm can make of a request, with more than HAProxy would let through."""

    def noise(most: int) -> bytes:
        return chance.randbytes(chance.randrange(1, most))

    return ended(
        method=chance.choice([noise(30), b"GET\r\n", b"get", b"\xff" * 40, noise(20_000)]),
        target=noise(20_000) + b"?" + noise(100),
        scheme=chance.choice([b"", b"http", noise(5)]),
        version=chance.choice([b"HTTP/1.1", noise(9), b"HTTP/9.9"]),
        host=noise(1000),
        user_agent=noise(20_000),
        client_address=noise(16),
        status=chance.choice([200, 400, 404, 503]),
    )
