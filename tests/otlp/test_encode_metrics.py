"""The bytes of metrics, judged by opentelemetry-proto and by the SDK's own encoder."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from haproxy_telemetry import __version__
from haproxy_telemetry.metrics import catalog
from haproxy_telemetry.metrics.points import (
    COUNTER,
    GAUGE,
    Data,
    Exemplar,
    HistogramData,
    HistogramPoint,
    NumberData,
    NumberPoint,
)
from haproxy_telemetry.otlp.encode import encode_request, encode_resource
from haproxy_telemetry.otlp.encode_metrics import CUMULATIVE, DELTA, encode_metric
from haproxy_telemetry.own import catalog as own
from haproxy_telemetry.trace.conventions import SCHEMA_URL

from .spans import any_text, unique_attributes

RESOURCE = ((b"service.name", b"edge"),)
START, NOW = 1_700_000_000_000_000_000, 1_700_000_060_000_000_000
uint = st.integers(0, 2**63 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)


def points(buckets: int) -> st.SearchStrategy[HistogramPoint]:
    ids = st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8)
    nonzero = [one.filter(any) for one in ids]  # the SDK writes no exemplar without ids
    exemplar = st.none() | st.builds(Exemplar, *nonzero, finite, uint)
    counts = st.lists(st.integers(0, 2**40), min_size=buckets, max_size=buckets).map(tuple)
    exemplars = st.lists(exemplar, min_size=buckets, max_size=buckets).map(tuple)
    return st.builds(HistogramPoint, unique_attributes, counts, finite, exemplars)


histograms = st.sampled_from([one for one in catalog.ALL if one.bounds]).flatmap(
    lambda metric: st.builds(
        HistogramData, st.just(metric), st.lists(points(len(metric.bounds) + 1), min_size=1, max_size=3).map(tuple)
    )
)
number = st.builds(NumberPoint, unique_attributes, st.integers(-(2**63), 2**63 - 1) | finite)
numbers = st.builds(
    NumberData,
    st.sampled_from([catalog.ACTIVE, own.QUEUE, own.LAST_EXPORT, *own.COUNTERS, *own.MIRRORED]),
    st.lists(number, min_size=1, max_size=3).map(tuple),
)


def shown(value: Any) -> Any:
    if isinstance(value, bytes) and type(value) is bytes:
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, bytes):
        return bytes(value)
    return value if isinstance(value, bool | float) or -(2**63) <= value < 2**63 else str(value)


def sdk_metric(data: Data, temporality: int) -> sdk.Metric:
    metric = data.metric
    said = (metric.name.decode(), metric.description.decode(), metric.unit.decode())
    if isinstance(data, NumberData):
        found = [sdk.NumberDataPoint(attributes(point), START, NOW, point.value) for point in data.points]
        if metric.kind == GAUGE:
            return sdk.Metric(*said, sdk.Gauge(found))
        counts = metric.kind == COUNTER
        kept = sdk.AggregationTemporality(temporality if counts else CUMULATIVE)
        return sdk.Metric(*said, sdk.Sum(found, kept, is_monotonic=counts))
    points = [sdk_point(point, metric.bounds) for point in data.points]
    return sdk.Metric(*said, sdk.Histogram(points, sdk.AggregationTemporality(temporality)))


def attributes(point: HistogramPoint | NumberPoint) -> dict[str, Any]:
    return {shown(key): shown(value) for key, value in point.attributes}


def sdk_point(point: HistogramPoint, bounds: tuple[float, ...]) -> sdk.HistogramDataPoint:
    exemplars = [
        SdkExemplar({}, one.value, one.time_ns, int.from_bytes(one.span_id, "big"), int.from_bytes(one.trace_id, "big"))
        for one in point.exemplars
        if one is not None
    ]
    absent: Any = None  # least and greatest: optional in OTLP, and not kept
    counts, sums = list(point.counts), (point.total, point.sum)
    return sdk.HistogramDataPoint(attributes(point), START, NOW, *sums, counts, list(bounds), absent, absent, exemplars)


def parse(*datas: Data, temporality: int = CUMULATIVE) -> ExportMetricsServiceRequest:
    encoded = [encode_metric(data, START, NOW, temporality) for data in datas]
    return ExportMetricsServiceRequest.FromString(encode_request([(encode_resource(RESOURCE), encoded)]))


@given(st.lists(histograms | numbers, min_size=1, max_size=3), st.sampled_from([CUMULATIVE, DELTA]))
@settings(max_examples=60)
def test_the_sdk_makes_the_same_message_of_the_same_metrics(datas: list[Data], temporality: int) -> None:
    metrics = [sdk_metric(data, temporality) for data in datas]
    scope = sdk.ScopeMetrics(
        InstrumentationScope("haproxy_telemetry", __version__, SCHEMA_URL.decode()), metrics, SCHEMA_URL.decode()
    )
    resource = Resource({shown(key): shown(value) for key, value in RESOURCE}, SCHEMA_URL.decode())
    official = encode_metrics(sdk.MetricsData([sdk.ResourceMetrics(resource, [scope], SCHEMA_URL.decode())]))
    assert parse(*datas, temporality=temporality) == official


@given(any_text)
@settings(max_examples=30)
def test_text_that_is_no_utf8_is_readable_all_the_same(name: bytes) -> None:
    data = NumberData(catalog.ACTIVE, (NumberPoint(((b"name", name),), 1),))
    [metric] = parse(data).resource_metrics[0].scope_metrics[0].metrics
    [attribute] = metric.sum.data_points[0].attributes
    assert attribute.value.string_value == shown(name)
    assert not metric.sum.is_monotonic
