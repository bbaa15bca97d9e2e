"""What the viewer's store holds, as the proof reads it."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from haproxy_telemetry.demo.arrivals import Arrivals
from haproxy_telemetry.demo.ports import PortTakenError
from haproxy_telemetry.demo.viewing import viewing
from haproxy_telemetry.viewer.database import Database
from haproxy_telemetry.viewer.decode import parse_protobuf, spans_of
from haproxy_telemetry.viewer.run import Address, bind
from haproxy_telemetry.viewer.store import Limits, Store
from viewer.otlp import BEGIN, Spec, received, trace_id


@pytest.fixture
def store() -> Store:
    return Store(Database(None), Limits(max_age_s=10**9))


async def test_what_the_sdk_exports_is_what_is_read(store: Store) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("GET", kind=SpanKind.SERVER) as parent:
        parent.set_attributes({"text": "\u00e9", "whole": -7, "real": 0.5, "yes": True, "many": ["a", "b"]})
        with tracer.start_as_current_span("query") as child:
            child.set_status(StatusCode.ERROR)
    body = encode_spans(memory.get_finished_spans()).SerializeToString()
    store.write(spans_of(parse_protobuf(body)).spans, BEGIN)

    get, query = Arrivals(store).spans(format_trace_id(parent.get_span_context().trace_id))
    assert (get.name, get.service, get.kind, get.parent_id, get.error) == ("GET", "shop", "server", "", False)
    assert (query.name, query.kind, query.error) == ("query", "internal", True)
    assert query.parent_id == get.span_id == format_span_id(parent.get_span_context().span_id)
    assert get.attributes == {"text": "\u00e9", "whole": -7, "real": 0.5, "yes": True, "many": "a,b"}
    assert get.start_ns <= query.start_ns <= query.end_ns <= get.end_ns


async def test_spans_come_in_order_of_time(store: Store) -> None:
    store.write(received(Spec(span=1, start=2), Spec(span=2, start=1, duration=1), Spec(span=3, start=1)), BEGIN)
    assert [int(span.span_id, 16) for span in Arrivals(store).spans(trace_id(1).hex())] == [2, 3, 1]
    assert Arrivals(store).spans("") == Arrivals(store).spans("ab" * 16) == []


async def test_strays_are_found_by_what_a_span_says(store: Store) -> None:
    store.write(received(Spec(tags={"who": "demo"}), Spec(span=2), Spec(trace=2, tags={"who": "other"})), BEGIN)
    assert {span.trace_id for span in Arrivals(store).spans_with("who", "demo")} == {trace_id(1).hex()}
    assert len(Arrivals(store).spans_with("who", "demo")) == 2


async def test_who_waits_is_told(store: Store) -> None:
    arrivals = Arrivals(store)
    asyncio.get_running_loop().call_soon(arrivals.told, store.write(received(Spec()), BEGIN).changed)
    await arrivals.more(10)
    assert list(arrivals.grown) == [trace_id(1).hex()]


async def test_a_port_that_was_taken_meanwhile_is_named() -> None:
    taken = bind(Address("127.0.0.1", 0), "")
    with pytest.raises(PortTakenError, match="the viewer's OTLP"):
        async with viewing({"viewer": 0, "otlp": taken.getsockname()[1], "pages": 1}):
            pass
    taken.close()


async def test_the_viewer_is_gone_after_its_block() -> None:
    async with viewing({"viewer": 0, "otlp": 0, "pages": 1}):
        pass
    assert {task.get_name() for task in asyncio.all_tasks()} & {"viewer"} == set()
