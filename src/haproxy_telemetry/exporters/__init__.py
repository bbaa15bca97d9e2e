"""The ways out: what an exporter is, and making the one that was asked for."""

from haproxy_telemetry.exporters.factory import KINDS, Exporter, check_file, make_exporter
from haproxy_telemetry.otlp.ledger import CloseReport
from haproxy_telemetry.otlp.settings import ExportConfigError

__all__ = ["KINDS", "CloseReport", "ExportConfigError", "Exporter", "check_file", "make_exporter"]
