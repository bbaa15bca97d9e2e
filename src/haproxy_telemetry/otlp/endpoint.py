"""Where a signal goes: the endpoint's variables, as HTTP and as gRPC read them.

OpenTelemetry specification, "OTLP Exporter Configuration": HTTP takes a URL, to whose base form the signal's path is
appended; gRPC takes ``host:port`` too, has no path, and ``OTEL_EXPORTER_OTLP_INSECURE`` decides where no scheme does.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from haproxy_telemetry.otlp.signals import Signal
from haproxy_telemetry.otlp.variables import Environ, ExportConfigError, of_signal, plain

DEFAULT_ENDPOINT: Final = "http://localhost:4318"
DEFAULT_GRPC_ENDPOINT: Final = "http://localhost:4317"
_UNIX: Final = "unix:"


def read_http_url(environ: Environ, signal: Signal) -> str:
    """Return the whole URL. The signal's own endpoint is taken as it is; to the base endpoint, its path is appended."""
    name, value = plain(environ, f"OTEL_EXPORTER_OTLP_{signal.name}_ENDPOINT")
    if value:
        parts = _split_url(name, _with_scheme(environ, signal, name, value))
        return urlunsplit(parts._replace(path=parts.path or "/", fragment=""))
    name, value = plain(environ, "OTEL_EXPORTER_OTLP_ENDPOINT")
    parts = _split_url(name, _with_scheme(environ, signal, name, value or DEFAULT_ENDPOINT))
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + signal.path, fragment=""))


def read_grpc_url(environ: Environ, signal: Signal) -> str:
    """Return ``http://host:port``, ``https://host:port`` for TLS, or ``unix:/path`` of a socket."""
    name, value = of_signal(environ, signal, "ENDPOINT")
    if value.startswith(_UNIX):
        return _unix(name, value)
    if not value:
        return DEFAULT_GRPC_ENDPOINT
    if value.startswith("grpc://") or "://" not in value:
        insecure = read_insecure(environ, signal)  # "the default is false", the specification says
        value = ("http://" if insecure else "https://") + value.removeprefix("grpc://")
    parts = _split_url(name, value)
    if parts.path.rstrip("/") or parts.query or parts.fragment:
        fix = f"write {parts.scheme}://{parts.netloc}, or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        raise ExportConfigError(name, value, "a gRPC endpoint has no path", fix)
    return urlunsplit(parts._replace(path=""))


def _unix(variable: str, value: str) -> str:
    path = "/" + value.removeprefix(_UNIX).lstrip("/")
    if not value.startswith(("unix:/", "unix:///")) or path == "/" or any(c <= " " for c in value):
        raise ExportConfigError(variable, value, "not a path of a Unix socket", "write it as unix:/run/collector.sock")
    return _UNIX + path


def read_insecure(environ: Environ, signal: Signal) -> bool | None:
    """Return ``OTEL_EXPORTER_OTLP_INSECURE``; ``None`` if it is unset."""
    name, value = of_signal(environ, signal, "INSECURE")
    if value.lower() not in ("", "true", "false"):
        raise ExportConfigError(name, value, "neither true nor false", "use one of them")
    return value.lower() == "true" if value else None


def _with_scheme(environ: Environ, signal: Signal, variable: str, value: str) -> str:
    """Return a URL: INSECURE decides for an endpoint without a scheme, and only then."""
    if "://" in value:
        return value
    insecure = read_insecure(environ, signal)
    if insecure is None:
        raise ExportConfigError(variable, value, "no scheme", f"write http://{value} or https://{value}")
    return ("http://" if insecure else "https://") + value


def _split_url(variable: str, value: str) -> SplitResult:
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
