"""The other way in: the line that HAProxy logs when a stream has ended. Pure: bytes in, EndOfStream out."""

from haproxy_telemetry.records.errors import REASONS, RecordError
from haproxy_telemetry.records.parse import parse_datagram, parse_record

__all__ = ["REASONS", "RecordError", "parse_datagram", "parse_record"]
