"""The ways out: what an exporter is, and making the one that was asked for."""

from haproxy_telemetry.exporters.factory import (
    KINDS,
    Exporter,
    LogExporter,
    WatchedExporter,
    check_file,
    json_encoder,
    make_exporter,
    only_viewer,
)
from haproxy_telemetry.exporters.traffic import Outlets, OutletSettings, open_outlets, read_outlets
from haproxy_telemetry.otlp.ledger import CloseReport
from haproxy_telemetry.otlp.variables import ExportConfigError

__all__ = [
    "KINDS",
    "CloseReport",
    "ExportConfigError",
    "Exporter",
    "LogExporter",
    "OutletSettings",
    "Outlets",
    "WatchedExporter",
    "check_file",
    "json_encoder",
    "make_exporter",
    "only_viewer",
    "open_outlets",
    "read_outlets",
]
