"""An OTLP exporter of the file, as the variables of a signal. The defaults are the schema's, and are written out."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from haproxy_telemetry.otelfile.table import OtelFileError, Table
from haproxy_telemetry.otelfile.variables import Variables
from haproxy_telemetry.otlp.endpoint import DEFAULT_ENDPOINT, DEFAULT_GRPC_ENDPOINT
from haproxy_telemetry.otlp.signals import Signal

OTLP: Final = ("otlp_http", "otlp_grpc")
_TLS: Final = (("ca_file", "CERTIFICATE"), ("cert_file", "CLIENT_CERTIFICATE"), ("key_file", "CLIENT_KEY"))


def otlp_exporter(kind: str, exporter: Table, signal: Signal, made: Variables) -> None:
    """Write what ``otlp_http`` or ``otlp_grpc`` says of a signal."""
    prefix = f"OTEL_EXPORTER_OTLP_{signal.name}_"
    grpc = kind == "otlp_grpc"
    protocol = "grpc" if grpc else f"http/{exporter.take('encoding', 'protobuf')}"
    made.put(prefix + "PROTOCOL", protocol, exporter.where)
    endpoint = DEFAULT_GRPC_ENDPOINT if grpc else DEFAULT_ENDPOINT + signal.path
    made.take(prefix + "ENDPOINT", exporter, "endpoint", endpoint)
    made.take(prefix + "COMPRESSION", exporter, "compression", "none")
    made.take(prefix + "TIMEOUT", exporter, "timeout", 10_000)
    headers = named_values(exporter, "headers", "headers_list")
    made.put(prefix + "HEADERS", headers, exporter.at("headers"))
    with exporter.sub("tls") as tls:
        for key, suffix in _TLS:
            made.take(prefix + suffix, tls, key)
        if grpc:
            made.take(prefix + "INSECURE", tls, "insecure")


def named_values(table: Table, key: str, list_key: str) -> str:
    """Return ``name: …, value: …`` pairs and a list in the variables' form as one such list; the pairs win.

    Values other than text have no place in it.
    """
    written = [str(table.take(list_key, ""))]
    for item in table.items(key):
        name, value, kind = item.take("name"), item.take("value", ""), item.take("type", "string")
        if kind != "string" or not isinstance(value, str):
            raise OtelFileError(item.where, "this agent writes text only here: a string, of type string")
        item.end()
        written.append(f"{quote(name)}={quote(value)}")
    return ",".join(one for one in written if one)


def queue(processor: Table, prefix: str, made: Variables) -> None:
    """Write a batch processor's bounds; the exporter is left in it."""
    defaults: tuple[tuple[str, Any], ...] = (
        ("schedule_delay", 5_000 if prefix == "OTEL_BSP" else 1_000),
        ("max_queue_size", 2_048),
        ("max_export_batch_size", 512),
        ("export_timeout", 30_000),
    )
    for key, default in defaults:
        made.take(f"{prefix}_{key.upper()}", processor, key, default)
