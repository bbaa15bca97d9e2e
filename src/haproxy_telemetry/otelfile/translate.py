"""From the parsed file to variables and settings. Pure.

Each part takes what it honours; what it leaves is an error by itself (:mod:`~.table`). The defaults are those of
OpenTelemetry's schema, not the agent's: a part that is not there is off, as the specification of the file has it.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from haproxy_telemetry.otelfile.exporters import OTLP, named_values, otlp_exporter, queue
from haproxy_telemetry.otelfile.sampler import sampler
from haproxy_telemetry.otelfile.table import OtelFileError, Table
from haproxy_telemetry.otelfile.variables import Variables
from haproxy_telemetry.otlp.signals import LOGS, METRICS, TRACES

FILE: Final = "otlp_file/development"
_FOR_OTHERS: Final = ("distribution", "log_level")
_LIMITS: Final = (
    ("attribute_count_limit", "trace.max_attributes"),
    ("event_count_limit", "trace.max_events"),
    ("link_count_limit", "trace.max_links"),
)
_PROMETHEUS: Final = {"translation_strategy": "underscore_escaping_with_suffixes"}
_METHODS: Final = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"


def translate(document: dict[str, Any]) -> Variables:
    """Return what the file says; raise :class:`OtelFileError` for the first thing that cannot be honoured."""
    made, root = Variables(), Table("", document)
    root.take("file_format")
    for key in _FOR_OTHERS:
        if root.take(key) is not None:
            made.said.append(f"{key} decides nothing here")
    off = root.take("disabled", False)
    with root.sub("resource") as resource:
        _resource(resource, made)
    with root.sub("attribute_limits") as limits:
        _limits(limits, made)
    _traces(root, made)
    _metrics(root, made)
    _logs(root, made)
    _propagators(root, made)
    with root.sub("instrumentation/development") as instrumentation:
        _instrumentation(instrumentation, made)
    root.end()
    if off:
        _disable(made)
    return made


def _resource(resource: Table, made: Variables) -> None:
    made.put("OTEL_RESOURCE_ATTRIBUTES", named_values(resource, "attributes", "attributes_list"), resource.where)
    with resource.sub("detection/development") as detection:
        for detector in detection.items("detectors"):
            with detector.kind(("service",)):  # the agent gives service.name and service.instance.id by itself
                pass


def _limits(limits: Table, made: Variables) -> None:
    for key, name in _LIMITS:
        if limits.has(key):
            made.setting(name, limits.take(key), limits.at(key))


def _traces(root: Table, made: Variables) -> None:
    where = "tracer_provider"
    if not root.has(where):
        _no_traces(made, where)
        return
    with root.sub(where) as provider:
        with provider.sub("limits") as limits:
            _limits(limits, made)
        with provider.sub("sampler") as chosen:
            sampler(chosen, made)
        with provider.sub("id_generator") as ids:
            ids.take("random")
        processor = provider.only("processors", "way out of traces")
        if processor is None:
            _no_traces(made, provider.at("processors"))
            return
        with processor.kind(("batch", "simple")) as (kind, inner):
            if kind == "batch":
                queue(inner, "OTEL_BSP", made)
            with inner.sub("exporter") as exporter, exporter.kind((*OTLP, "console", FILE)) as (to, settings):
                _trace_exporter(to, settings, made)
                if kind == "simple" and to in OTLP:
                    raise OtelFileError(inner.where, "OTLP leaves in batches here; use batch")


def _trace_exporter(to: str, exporter: Table, made: Variables) -> None:
    if to in OTLP:
        otlp_exporter(to, exporter, TRACES, made)
        made.setting("export.to", "otlp", exporter.where)
    elif to == FILE:
        stream, at = exporter.take("output_stream", "stdout"), exporter.at("output_stream")
        url = urlsplit(stream)
        if url.scheme != "file" or url.netloc or not url.path:
            raise OtelFileError(at, f"{stream!r} is no file; write file:///var/log/traces.jsonl, or use console")
        made.setting("export.to", "file", exporter.where)
        made.setting("export.file", url.path, at)
    else:
        made.setting("export.to", to, exporter.where)


def _no_traces(made: Variables, where: str) -> None:
    made.setting("export.to", "none", where)
    if "OTEL_TRACES_SAMPLER" not in made.environ:
        made.put("OTEL_TRACES_SAMPLER", "parentbased_always_off", where)


def _metrics(root: Table, made: Variables) -> None:
    names: list[str] = []
    with root.sub("meter_provider") as provider:
        for reader in provider.items("readers"):
            with reader.kind(("periodic", "pull")) as (kind, inner):
                name = "otlp" if kind == "periodic" else "prometheus"
                if name in names:
                    raise OtelFileError(reader.where, f"one {kind} reader more than this agent can have")
                names.append(name)
                (_periodic if kind == "periodic" else _pull)(inner, made)
        made.take("OTEL_METRICS_EXEMPLAR_FILTER", provider, "exemplar_filter")
    made.put("OTEL_METRICS_EXPORTER", ",".join(names) or "none", "meter_provider.readers")


def _periodic(reader: Table, made: Variables) -> None:
    made.take("OTEL_METRIC_EXPORT_INTERVAL", reader, "interval", 60_000)
    made.take("OTEL_METRIC_EXPORT_TIMEOUT", reader, "timeout", 30_000)
    _cardinality(reader, made)
    with reader.sub("exporter") as exporter, exporter.kind(OTLP) as (to, settings):
        otlp_exporter(to, settings, METRICS, made)
        prefix = "OTEL_EXPORTER_OTLP_METRICS_"
        temporality = str(settings.take("temporality_preference", "cumulative")).replace("_", "")
        made.put(prefix + "TEMPORALITY_PREFERENCE", temporality, settings.at("temporality_preference"))
        made.take(prefix + "DEFAULT_HISTOGRAM_AGGREGATION", settings, "default_histogram_aggregation")


def _pull(reader: Table, made: Variables) -> None:
    _cardinality(reader, made)
    with reader.sub("exporter") as exporter, exporter.kind(("prometheus/development",)) as (_, settings):
        for key, value in _PROMETHEUS.items():  # what the agent does anyway
            if settings.has(key) and settings.take(key) != value:
                raise OtelFileError(settings.at(key), f"this agent knows {value} only")
        host, port = settings.take("host", "localhost"), settings.take("port", 9464)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        made.setting("admin.listen", address, settings.where)


def _cardinality(reader: Table, made: Variables) -> None:
    with reader.sub("cardinality_limits") as limits:
        if limits.has("default"):
            value, before = limits.take("default"), made.settings.get("metrics.max_series")
            if before is not None and before.value != value:
                raise OtelFileError(limits.at("default"), f"readers have one limit here, and {before.where} is another")
            made.setting("metrics.max_series", value, limits.at("default"))


def _logs(root: Table, made: Variables) -> None:
    to = "none"
    with root.sub("logger_provider") as provider:
        processor = provider.only("processors", "way out of logs")
        if processor is not None:
            with processor.kind(("batch",)) as (_, inner):
                queue(inner, "OTEL_BLRP", made)
                with inner.sub("exporter") as exporter, exporter.kind(OTLP) as (kind, settings):
                    otlp_exporter(kind, settings, LOGS, made)
                    to = "otlp"
    made.put("OTEL_LOGS_EXPORTER", to, "logger_provider.processors")


def _propagators(root: Table, made: Variables) -> None:
    names: list[str] = []
    with root.sub("propagator") as propagator:
        known = ("tracecontext", "baggage", "b3", "b3multi", "jaeger")
        for one in propagator.items("composite"):
            with one.kind(known) as (name, _):
                names.append(name)
        names += [name.strip() for name in str(propagator.take("composite_list", "")).split(",")]
    listed = ",".join(dict.fromkeys(name for name in names if name)) or "none"
    made.put("OTEL_PROPAGATORS", listed, "propagator.composite")


def _instrumentation(instrumentation: Table, made: Variables) -> None:
    """Take the known methods; what is there for the instrumentation of programs is theirs, and said."""
    with instrumentation.sub("general") as general:
        with general.sub("http") as http, http.sub("server") as server:
            if methods := server.take("known_methods"):
                made.put(_METHODS, ",".join(methods), server.at("known_methods"))
            _left_to_programs(server, made)
            _left_to_programs(http, made)
        _left_to_programs(general, made)
    _left_to_programs(instrumentation, made)


def _left_to_programs(table: Table, made: Variables) -> None:
    made.said.extend(f"{table.at(key)} decides nothing here" for key in table.take_all())


def _disable(made: Variables) -> None:
    """``disabled: true``: nothing leaves; HAProxy is answered, and contexts go on."""
    for name in ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"):
        made.put(name, "none", "disabled")
    made.environ.pop("OTEL_TRACES_SAMPLER_ARG", None)
    made.put("OTEL_TRACES_SAMPLER", "parentbased_always_off", "disabled")
    made.setting("export.to", "none", "disabled")
