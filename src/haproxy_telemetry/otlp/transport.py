"""What carries a request: what all transports can do, and which one the settings' protocol asks for.

Each is imported only where it is asked for: who writes to a file starts without urllib3, most agents without gRPC.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

from haproxy_telemetry.otlp.retry import Outcome
from haproxy_telemetry.otlp.settings import GRPC, OtlpSettings
from haproxy_telemetry.otlp.signals import Signal

MAX_ANSWER_BYTES: Final = 64 * 1024  # an ExportTraceServiceResponse is some hundred bytes

Groups: TypeAlias = Sequence[tuple[bytes, Sequence[bytes]]]
"""A batch's content: of each resource, its encoding and its encoded items."""


class Transport(Protocol):
    """Delivers one body: HTTP's, gRPC's, or a scripted one in tests. One thread uses it at a time."""

    def body(self, groups: Groups) -> bytes:
        """Return what :meth:`post` wants for a batch; made once for all attempts."""

    def post(self, body: bytes, timeout_s: float | None) -> Outcome:
        """Send a ``body``; never raises for what the receiver does."""

    def close(self) -> None:
        """Close idle connections."""


def open_transport(settings: OtlpSettings, signal: Signal) -> Transport:
    """Return the transport for a signal; nothing is connected yet. It belongs to one process: open it after a fork."""
    if settings.protocol == GRPC:
        # Its library writes a line to standard error for each failed handshake; our own log tells what fails, once.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from haproxy_telemetry.otlp.transport_grpc import GrpcTransport

        return GrpcTransport(settings, signal)
    from haproxy_telemetry.otlp.transport_http import HttpTransport

    return HttpTransport(settings, signal)
