"""Who the spans are from: the Resource by OpenTelemetry's conventions, and its copies for other services.

``OTEL_SERVICE_NAME`` wins over ``service.name`` in ``OTEL_RESOURCE_ATTRIBUTES``, which wins over the default.
A trace may name another service; the number of these is bounded, since the name comes from the peer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, final

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp.encode import encode_resource
from haproxy_telemetry.otlp.text import utf8
from haproxy_telemetry.otlp.variables import parse_pairs
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.spans import Attribute

DEFAULT_SERVICE: Final = b"haproxy"
MAX_SERVICES: Final = 64  # each costs a group in every request; more than this is a value, not a name
MAX_SERVICE_NAME: Final = 255  # bytes; names are kept for good, and longer than a host's is no name


class Resource(NamedTuple):
    """The attributes of one service, and the same as a ``ResourceSpans.resource`` field."""

    attributes: tuple[Attribute, ...]
    encoded: bytes


def read_resource_attributes(environ: Mapping[str, str], instance_id: str) -> tuple[Attribute, ...]:
    """Build the agent's own resource attributes; raises ``ExportConfigError``.

    ``telemetry.sdk.name`` is ours: ``opentelemetry`` is reserved for the official SDKs.
    """
    attributes: dict[str, str] = {
        "service.name": DEFAULT_SERVICE.decode(),
        "service.instance.id": instance_id,
        "telemetry.sdk.name": "haproxy_telemetry",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
    }
    variable = "OTEL_RESOURCE_ATTRIBUTES"
    attributes.update(parse_pairs(variable, environ.get(variable, "")))
    service = environ.get("OTEL_SERVICE_NAME", "").strip()
    if service:
        attributes["service.name"] = service
    # surrogateescape: what the environment held as raw bytes stays so, and is repaired like any other text
    return tuple(
        (key.encode(errors="surrogateescape"), value.encode(errors="surrogateescape"))
        for key, value in attributes.items()
    )


@final
class ResourceTable:
    """Resources by service name; ``None`` and ``b""`` are the agent's own, as is a name too long to be kept."""

    __slots__ = ("_by_service", "_own", "_stats")

    def __init__(self, attributes: tuple[Attribute, ...], stats: Stats) -> None:
        self._own = Resource(attributes, encode_resource(attributes))
        self._by_service: dict[bytes, Resource] = {}
        self._stats = stats

    def of(self, service: bytes | None) -> Resource:
        """Return the resource for a trace; the agent's own, counted, if the name is too long or there are too many."""
        if not service:
            return self._own
        known = self._by_service.get(service)
        if known is not None:
            return known
        if len(self._by_service) >= MAX_SERVICES or len(service) > MAX_SERVICE_NAME:
            reason = "too_long" if len(service) > MAX_SERVICE_NAME else "too_many"
            self._stats.count("service_names_ignored", reason)
            return self._own
        attributes = tuple((k, utf8(service) if k == b"service.name" else v) for k, v in self._own.attributes)
        resource = self._by_service[service] = Resource(attributes, encode_resource(attributes))
        return resource
