"""What a receiver's answer says, read without trusting it: partial success, and the reason of a refusal."""

from __future__ import annotations

from typing import NamedTuple

from haproxy_telemetry.otlp.protobuf import ProtobufError, read_fields
from haproxy_telemetry.otlp.text import to_str

MAX_MESSAGE_CHARS = 200  # of the receiver's words in a log line


class PartialSuccess(NamedTuple):
    """``ExportTracePartialSuccess``: how many spans were rejected, and why in the receiver's words."""

    rejected: int
    message: str


def parse_partial_success(body: bytes) -> PartialSuccess:
    """Read an ``ExportTraceServiceResponse``; an empty one is a full success. Raises ``ProtobufError``."""
    rejected, message = 0, ""
    for number, value in read_fields(body):
        if number != 1 or not isinstance(value, bytes):
            continue
        for inner, field in read_fields(value):
            if inner == 1 and isinstance(field, int):
                rejected = field if field < 1 << 63 else 0  # int64: negative makes no sense
            elif inner == 2 and isinstance(field, bytes):
                message = _printable(field)
    return PartialSuccess(rejected, message)


def refusal_message(body: bytes) -> str:
    """Return the message of a ``google.rpc.Status``, or the start of whatever text came instead of one."""
    try:
        for number, value in read_fields(body):
            if number == 2 and isinstance(value, bytes):
                return _printable(value)
    except ProtobufError:
        return _printable(body)
    return ""


def _printable(raw: bytes) -> str:
    """One line for the log: a receiver must not be able to forge others."""
    text = to_str(raw[: MAX_MESSAGE_CHARS * 4])[:MAX_MESSAGE_CHARS]
    return "".join(c if c.isprintable() else " " for c in text).strip()
