"""The way out by OpenTelemetry's own environment variables, checked.

Read once at start. A value that can't be obeyed is an :class:`ExportConfigError` that names the variable, its
value and the fix: an agent that silently exported nowhere would be found out too late. An empty variable is an
unset one, ``OTEL_EXPORTER_OTLP_TRACES_x`` (``METRICS``, ``LOGS``) wins over ``OTEL_EXPORTER_OTLP_x``, durations are
milliseconds (OpenTelemetry specification, "OTLP Exporter Configuration" and "Environment Variable Specification").
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from haproxy_telemetry.otlp.batch import BatchLimits
from haproxy_telemetry.otlp.signals import TRACES, Signal

DEFAULT_ENDPOINT: Final = "http://localhost:4318"
DEFAULT_TIMEOUT_MS: Final = 10_000
DEFAULT_EXPORT_TIMEOUT_MS: Final = 30_000
DEFAULT_SCHEDULE_DELAY_MS: Final = 1_000  # OpenTelemetry: 5000; a trace seen soon is worth a request a second
DEFAULT_METRIC_INTERVAL_MS: Final = 60_000
MAX_MS: Final = 24 * 3600 * 1000

Environ: TypeAlias = Mapping[str, str]
T = TypeVar("T")


class ExportConfigError(ValueError):
    """A setting of the way out that can't be obeyed: the variable, its value, what is wrong, and the fix."""

    def __init__(self, variable: str, value: str, problem: str, fix: str) -> None:
        self.variable = variable
        self.value = value
        self.problem = problem
        self.fix = fix
        super().__init__(f"{variable}={value!r}: {problem}; {fix}")


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """Where and how to POST.

    ``url`` is complete, with its path and without credentials. ``timeout_s`` bounds one attempt (``None``: no
    bound), ``budget_s`` a batch with all its attempts. ``tls`` is ``None`` for http.
    """

    url: str
    headers: Mapping[str, str]
    timeout_s: float | None
    budget_s: float
    gzip: bool
    tls: ssl.SSLContext | None


def read_otlp_settings(environ: Environ, signal: Signal = TRACES) -> OtlpSettings:
    """Read ``OTEL_EXPORTER_OTLP_*`` as they are for a signal, and the time that its batches may take."""
    _check_protocol(environ, signal)
    _insecure(environ, signal)  # a mistake in it is one even where it decides nothing
    url = _endpoint(environ, signal)
    timeout_ms = _number(*_otlp(environ, signal, "TIMEOUT"), default=DEFAULT_TIMEOUT_MS, least=0)
    budget_ms = _number(*_plain(environ, signal.budget), default=DEFAULT_EXPORT_TIMEOUT_MS, least=0)
    return OtlpSettings(
        url=url,
        headers=_headers(*_otlp(environ, signal, "HEADERS")),
        timeout_s=timeout_ms / 1000 if timeout_ms else None,  # "0 means no limit"
        budget_s=(budget_ms or MAX_MS) / 1000,
        gzip=_compression(environ, signal),
        tls=_tls(environ, signal) if url.startswith("https:") else None,
    )


def read_batch_limits(environ: Environ, prefix: str = "OTEL_BSP") -> BatchLimits:
    """Read ``OTEL_BSP_SCHEDULE_DELAY``, ``…_MAX_QUEUE_SIZE``, ``…_MAX_EXPORT_BATCH_SIZE``; for logs ``OTEL_BLRP_…``."""
    default = BatchLimits()
    delay = _number(*_plain(environ, f"{prefix}_SCHEDULE_DELAY"), default=DEFAULT_SCHEDULE_DELAY_MS, least=0)
    queue = _number(*_plain(environ, f"{prefix}_MAX_QUEUE_SIZE"), default=default.queue_spans, least=1)
    name, value = _plain(environ, f"{prefix}_MAX_EXPORT_BATCH_SIZE")
    batch = _number(name, value, default=min(default.batch_spans, queue), least=1)
    if batch > queue:
        raise ExportConfigError(name, value, f"larger than the queue of {queue}", "give it at most that")
    return BatchLimits(batch_spans=batch, max_age_s=delay / 1000, queue_spans=queue)


def read_metric_interval(environ: Environ) -> float:
    """Return ``OTEL_METRIC_EXPORT_INTERVAL`` in seconds."""
    ms = _number(*_plain(environ, "OTEL_METRIC_EXPORT_INTERVAL"), default=DEFAULT_METRIC_INTERVAL_MS, least=1)
    return ms / 1000


def read_delta(environ: Environ) -> bool:
    """Whether histograms leave as differences: ``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``.

    ``delta`` and ``lowmemory`` mean the same for the instruments that the agent has: the histograms delta, the up-down
    counter cumulative (OpenTelemetry specification, "OTLP Exporter Configuration" of metrics).
    """
    name, value = _plain(environ, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")
    return one_of(name, value.lower(), ("cumulative", "delta", "lowmemory")) in ("delta", "lowmemory")


def check_histograms(environ: Environ) -> None:
    """Refuse what ``OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`` may ask for and nobody does here."""
    name, value = _plain(environ, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION")
    one_of(name, value, ("explicit_bucket_histogram",))


def read_names(environ: Environ, variable: str, known: tuple[str, ...], default: str) -> frozenset[str]:
    """Return the comma-separated names that a variable holds; ``none`` stands alone and means nothing at all."""
    value = environ.get(variable, "").strip() or default
    names = frozenset(name.strip() for name in value.split(","))
    for name in names:
        if name not in (*known, "none"):
            raise ExportConfigError(variable, value, f"unknown name {name!r}", f"use {', '.join((*known, 'none'))}")
    if "none" in names and len(names) > 1:
        raise ExportConfigError(variable, value, "none and something else", "leave one of them out")
    return names - {"none"}


def one_of(variable: str, value: str, known: tuple[str, ...]) -> str:
    """Return ``value``, the first of ``known`` if it is empty; raise :class:`ExportConfigError` for any other."""
    if value and value not in known:
        raise ExportConfigError(variable, value, "unknown value", f"use {' or '.join(known)}")
    return value or known[0]


def parse_pairs(variable: str, text: str, *, secret: bool = False) -> dict[str, str]:
    """Parse ``key=value,key=value`` with percent-encoding (W3C Baggage); the last of equal keys wins.

    ``secret``: an error names the variable, but shows nothing of its value.
    """
    pairs: dict[str, str] = {}
    for number, item in enumerate(text.split(","), start=1):
        key, equals, value = item.partition("=")
        if not equals and not key.strip():
            continue  # nothing at all, or a trailing comma
        try:
            key, value = unquote(key.strip(), errors="strict"), unquote(value.strip(), errors="strict")
        except UnicodeDecodeError as error:
            problem = f"item {number} is not percent-encoded UTF-8"
            raise ExportConfigError(variable, "***" if secret else text, problem, "encode it as UTF-8") from error
        if not equals or not key:
            fix = "write key1=value1,key2=value2"
            raise ExportConfigError(variable, "***" if secret else text, f"item {number} is no key=value", fix)
        pairs[key] = value
    return pairs


def _plain(environ: Environ, name: str) -> tuple[str, str]:
    return name, environ.get(name, "").strip()


def _otlp(environ: Environ, signal: Signal, suffix: str) -> tuple[str, str]:
    """Return the variable that decides about a setting, and its value: the one for the signal if it is set."""
    name, value = _plain(environ, f"OTEL_EXPORTER_OTLP_{signal.name}_{suffix}")
    return (name, value) if value else _plain(environ, f"OTEL_EXPORTER_OTLP_{suffix}")


def _number(variable: str, value: str, *, default: int, least: int) -> int:
    if not value:
        return default
    if not (value.isascii() and value.isdigit()) or not least <= int(value[:19]) <= MAX_MS:
        raise ExportConfigError(variable, value, "not a number in range", f"give a whole number, {least} to {MAX_MS}")
    return int(value)


def _check_protocol(environ: Environ, signal: Signal) -> None:
    name, value = _otlp(environ, signal, "PROTOCOL")
    if value in ("", "http/protobuf"):
        return
    known = "not supported yet" if value in ("grpc", "http/json") else "unknown"
    fix = "use http/protobuf (the receiver's port for it is usually 4318)"
    raise ExportConfigError(name, value, f"this protocol is {known}", fix)


def _compression(environ: Environ, signal: Signal) -> bool:
    name, value = _otlp(environ, signal, "COMPRESSION")
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


def _endpoint(environ: Environ, signal: Signal) -> str:
    """The signal's own endpoint is taken as it is; to the base endpoint, its path is appended."""
    name, value = _plain(environ, f"OTEL_EXPORTER_OTLP_{signal.name}_ENDPOINT")
    if value:
        parts = _split_url(environ, signal, name, value)
        return urlunsplit(parts._replace(path=parts.path or "/", fragment=""))
    name, value = _plain(environ, "OTEL_EXPORTER_OTLP_ENDPOINT")
    parts = _split_url(environ, signal, name, value or DEFAULT_ENDPOINT)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + signal.path, fragment=""))


def _split_url(environ: Environ, signal: Signal, variable: str, value: str) -> SplitResult:
    if "://" not in value:
        value = _scheme(environ, signal, variable, value) + value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, an IPv6 address without its end
        usable = False
    if not usable or any(c <= " " for c in value):
        raise ExportConfigError(variable, value, "not an http or https URL", "write it as http://collector:4318")
    if parts.username is not None:
        fix = "give them as a header: OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20..."
        raise ExportConfigError(variable, f"{parts.scheme}://***@{parts.hostname}", "credentials in the URL", fix)
    return parts


def _scheme(environ: Environ, signal: Signal, variable: str, value: str) -> str:
    """INSECURE decides for an endpoint without a scheme, and only then."""
    insecure = _insecure(environ, signal)
    if insecure is None:
        raise ExportConfigError(variable, value, "no scheme", f"write http://{value} or https://{value}")
    return "http://" if insecure else "https://"


def _insecure(environ: Environ, signal: Signal) -> bool | None:
    name, value = _otlp(environ, signal, "INSECURE")
    if value.lower() not in ("", "true", "false"):
        raise ExportConfigError(name, value, "neither true nor false", "use one of them")
    return value.lower() == "true" if value else None


def _tls(environ: Environ, signal: Signal) -> ssl.SSLContext:
    ca_name, ca = _file(environ, signal, "CERTIFICATE")
    context = _load(ca_name, ca, lambda: ssl.create_default_context(cafile=ca or None))
    cert_name, cert = _file(environ, signal, "CLIENT_CERTIFICATE")
    key_name, key = _file(environ, signal, "CLIENT_KEY")
    if key and not cert:
        raise ExportConfigError(key_name, key, "a key without a certificate", f"set {cert_name} too")
    if cert:
        _load(cert_name, cert, lambda: context.load_cert_chain(cert, key or None))
    return context


def _file(environ: Environ, signal: Signal, suffix: str) -> tuple[str, str]:
    name, value = _otlp(environ, signal, suffix)
    if value and not Path(value).is_file():
        raise ExportConfigError(name, value, "no such file", "give the path of a PEM file that the agent may read")
    return name, value


def _load(variable: str, value: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except OSError as error:  # ssl.SSLError is one
        raise ExportConfigError(variable, value, f"not usable ({error})", "give a PEM file that is valid") from error
