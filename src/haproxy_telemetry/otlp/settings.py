"""The way out by OpenTelemetry's own environment variables, checked.

Read once at start. A value that can't be obeyed is an :class:`~.variables.ExportConfigError` that names the variable,
its value and the fix: an agent that silently exported nowhere would be found out too late. Durations are milliseconds
(OpenTelemetry specification, "OTLP Exporter Configuration").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from haproxy_telemetry.otlp.batch import BatchLimits
from haproxy_telemetry.otlp.endpoint import read_grpc_url, read_http_url, read_insecure
from haproxy_telemetry.otlp.signals import TRACES, Signal
from haproxy_telemetry.otlp.tls import Tls, check_files, read_tls
from haproxy_telemetry.otlp.variables import (
    MOST,
    Environ,
    ExportConfigError,
    number,
    of_signal,
    one_of,
    parse_pairs,
    plain,
)

DEFAULT_TIMEOUT_MS: Final = 10_000
DEFAULT_EXPORT_TIMEOUT_MS: Final = 30_000
DEFAULT_SCHEDULE_DELAY_MS: Final = 1_000  # OpenTelemetry: 5000; a trace seen soon is worth a request a second
DEFAULT_METRIC_INTERVAL_MS: Final = 60_000

PROTOBUF: Final = "http/protobuf"
JSON: Final = "http/json"
GRPC: Final = "grpc"
PROTOCOLS: Final = (PROTOBUF, JSON, GRPC)

GRPC_FIX: Final = (
    "install the extra: pip install 'haproxy-telemetry[grpc]' (pipx: pipx install --force 'haproxy-telemetry[grpc]',"
    " uv: uv tool install 'haproxy-telemetry[grpc]'), or use http/protobuf, usually on port 4318"
)

_GRPC_KEY: Final = re.compile(r"[0-9a-z_.-]+")  # gRPC over HTTP/2, "Custom-Metadata"


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """Where and how to send.

    ``protocol`` is one of ``PROTOCOLS``. ``url`` is complete and without credentials: with its path for HTTP, without
    one for gRPC (or ``unix:/path``). ``timeout_s`` bounds one attempt (``None``: no bound), ``budget_s`` a batch with
    all its attempts. ``tls`` is ``None`` for plain text.
    """

    protocol: str
    url: str
    headers: Mapping[str, str]
    timeout_s: float | None
    budget_s: float
    gzip: bool
    tls: Tls | None

    @property
    def shown_url(self) -> str:
        """The URL for a log or a person: a query may hold a key."""
        return self.url.partition("?")[0]

    @property
    def shown(self) -> str:
        """Where and how, for a person."""
        return f"{self.shown_url} by {self.protocol}"


def read_otlp_settings(environ: Environ, signal: Signal = TRACES) -> OtlpSettings:
    """Read ``OTEL_EXPORTER_OTLP_*`` as they are for a signal, and the time that its batches may take."""
    protocol = _protocol(environ, signal)
    read_insecure(environ, signal)  # a mistake in it is one even where it decides nothing
    url = (read_grpc_url if protocol == GRPC else read_http_url)(environ, signal)
    timeout_ms = number(*of_signal(environ, signal, "TIMEOUT"), default=DEFAULT_TIMEOUT_MS, least=0)
    budget_ms = number(*plain(environ, signal.budget), default=DEFAULT_EXPORT_TIMEOUT_MS, least=0)
    headers = (_metadata if protocol == GRPC else _headers)(*of_signal(environ, signal, "HEADERS"))
    return OtlpSettings(
        protocol=protocol,
        url=url,
        headers=headers,
        timeout_s=timeout_ms / 1000 if timeout_ms else None,  # "0 means no limit"
        budget_s=(budget_ms or MOST) / 1000,
        gzip=_compression(environ, signal),
        tls=_tls(environ, signal, url),
    )


def _tls(environ: Environ, signal: Signal, url: str) -> Tls | None:
    if url.startswith("https:"):
        return read_tls(environ, signal)
    check_files(environ, signal)  # a mistake in them is one even where they decide nothing
    return None


def names_endpoint(environ: Environ, signal: Signal = TRACES) -> bool:
    """Say whether a variable says where a signal goes; it goes to the default otherwise."""
    return any(of_signal(environ, signal, "ENDPOINT")[1:])


def read_batch_limits(environ: Environ, prefix: str = "OTEL_BSP") -> BatchLimits:
    """Read ``OTEL_BSP_SCHEDULE_DELAY``, ``…_MAX_QUEUE_SIZE``, ``…_MAX_EXPORT_BATCH_SIZE``; for logs ``OTEL_BLRP_…``."""
    default = BatchLimits()
    delay = number(*plain(environ, f"{prefix}_SCHEDULE_DELAY"), default=DEFAULT_SCHEDULE_DELAY_MS, least=0)
    queue = number(*plain(environ, f"{prefix}_MAX_QUEUE_SIZE"), default=default.queue_spans, least=1)
    name, value = plain(environ, f"{prefix}_MAX_EXPORT_BATCH_SIZE")
    batch = number(name, value, default=min(default.batch_spans, queue), least=1)
    if batch > queue:
        raise ExportConfigError(name, value, f"larger than the queue of {queue}", "give it at most that")
    return BatchLimits(batch_spans=batch, max_age_s=delay / 1000, queue_spans=queue)


def read_metric_interval(environ: Environ) -> float:
    """Return ``OTEL_METRIC_EXPORT_INTERVAL`` in seconds."""
    ms = number(*plain(environ, "OTEL_METRIC_EXPORT_INTERVAL"), default=DEFAULT_METRIC_INTERVAL_MS, least=1)
    return ms / 1000


def read_delta(environ: Environ) -> bool:
    """Whether histograms leave as differences: ``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``.

    ``delta`` and ``lowmemory`` mean the same for the instruments that the agent has: the histograms delta, the up-down
    counter cumulative (OpenTelemetry specification, "OTLP Exporter Configuration" of metrics).
    """
    name, value = plain(environ, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")
    return one_of(name, value.lower(), ("cumulative", "delta", "lowmemory")) in ("delta", "lowmemory")


def check_histograms(environ: Environ) -> None:
    """Refuse what ``OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`` may ask for and nobody does here."""
    name, value = plain(environ, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION")
    one_of(name, value, ("explicit_bucket_histogram",))


def _protocol(environ: Environ, signal: Signal) -> str:
    name, value = of_signal(environ, signal, "PROTOCOL")
    protocol = one_of(name, value, PROTOCOLS)
    if protocol == GRPC and find_spec("grpc") is None:  # not imported: 18 MB that only its transport needs
        raise ExportConfigError(name, value, "needs the package grpcio, which is not here", GRPC_FIX)
    return protocol


def _compression(environ: Environ, signal: Signal) -> bool:
    name, value = of_signal(environ, signal, "COMPRESSION")
    if value in ("", "gzip"):  # the specification leaves the default to the exporter
        return True
    if value == "none":
        return False
    raise ExportConfigError(name, value, "unknown compression", "use gzip or none")


def _headers(variable: str, value: str) -> dict[str, str]:
    headers = parse_pairs(variable, value, secret=True)
    for key, text in headers.items():
        if not key.isascii() or any(c <= " " or c in ":\x7f" for c in key) or any(c in "\r\n\0" for c in text):
            raise ExportConfigError(variable, "***", f"{key!r} can't be an HTTP header", "remove or correct it")
        try:
            text.encode("latin-1")
        except UnicodeEncodeError as error:
            raise ExportConfigError(variable, "***", f"the value of {key!r} is not Latin-1", "correct it") from error
    return headers


def _metadata(variable: str, value: str) -> dict[str, str]:
    """Return the headers as gRPC's metadata: keys in lower case and of few characters, values of printable ASCII."""
    metadata = {key.lower(): text for key, text in parse_pairs(variable, value, secret=True).items()}
    for key, text in metadata.items():
        if not _GRPC_KEY.fullmatch(key) or key.startswith("grpc-"):
            raise ExportConfigError(variable, "***", f"{key!r} can't be a header of gRPC", "remove or correct it")
        if not (text.isascii() and text.isprintable()):
            raise ExportConfigError(variable, "***", f"the value of {key!r} is not printable ASCII", "correct it")
    return metadata
