"""The names of OpenTelemetry's variables: a misspelt one is an error, one that is not obeyed is told.

What the values mean is read where they are used. Only names are judged here, since nobody reads a name that is wrong:
``OTEL_TRACE_SAMPLER=always_off`` would trace everything, in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from haproxy_telemetry.settings.errors import UnknownSettingError

_EXPORTER: Final = (
    "ENDPOINT", "HEADERS", "COMPRESSION", "TIMEOUT", "PROTOCOL", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY",
    "INSECURE",
)  # fmt: skip
_QUEUE: Final = ("SCHEDULE_DELAY", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE", "EXPORT_TIMEOUT")
OBEYED: Final = frozenset(
    (
        "OTEL_CONFIG_FILE",
        "OTEL_SERVICE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_PROPAGATORS",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_METRICS_EXPORTER",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "OTEL_METRICS_EXEMPLAR_FILTER",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "OTEL_LOGS_EXPORTER",
        "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
        *(f"OTEL_{queue}_{one}" for queue in ("BSP", "BLRP") for one in _QUEUE),
        *(f"OTEL_EXPORTER_OTLP_{of}{one}" for of in ("", "TRACES_", "METRICS_", "LOGS_") for one in _EXPORTER),
    )
)

OTHERS: Final = frozenset(
    (
        "OTEL_SDK_DISABLED",
        "OTEL_ENTITIES",
        "OTEL_LOG_LEVEL",
        "OTEL_TRACES_EXPORTER",
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
        "OTEL_RESOURCE_DETECTORS",
        "OTEL_SEMCONV_STABILITY_OPT_IN",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_SPAN_EVENT_COUNT_LIMIT",
        "OTEL_SPAN_LINK_COUNT_LIMIT",
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
    )
)
"""The specification's other names ("Environment Variable Specification"): right ones, and not obeyed here."""

PREFIX: Final = "OTEL_"
ALIKE: Final = 0.9
"""From here on a name is a misspelt one: a letter or two of it."""


def not_obeyed(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return OpenTelemetry's variables that are set and decide nothing here.

    Raises :class:`UnknownSettingError` for one that is nearly a name that there is.
    """
    found = []
    strange = [name for name in environ if name.startswith(PREFIX) and name not in OBEYED]
    if not strange:
        return ()
    import difflib  # here: 9 ms that only those who have such variables shall wait

    for name in sorted(strange):
        if name not in OTHERS and difflib.get_close_matches(name, OBEYED | OTHERS, n=1, cutoff=ALIKE):
            raise UnknownSettingError("environment", name, sorted(OBEYED | OTHERS))
        if environ[name].strip():
            found.append(name)
    return tuple(found)
