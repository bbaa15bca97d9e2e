"""Which transport: by the protocol of the settings. gRPC's is imported only where it is asked for."""

from __future__ import annotations

import os

from haproxy_telemetry.otlp.settings import GRPC, OtlpSettings
from haproxy_telemetry.otlp.signals import Signal
from haproxy_telemetry.otlp.transport import HttpTransport, Transport


def open_transport(settings: OtlpSettings, signal: Signal) -> Transport:
    """Return the transport for a signal; nothing is connected yet. It belongs to one process: open it after a fork."""
    if settings.protocol != GRPC:
        return HttpTransport(settings, signal)
    # Its library writes a line to standard error for each failed handshake; what fails is told by our own log, once.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from haproxy_telemetry.otlp.transport_grpc import GrpcTransport

    return GrpcTransport(settings, signal)
