"""Ended streams as OTLP log records (opentelemetry-proto v1, logs.proto). Pure.

A record becomes one ``ScopeLogs.log_records`` field; resource, scope and request are those of
:func:`~.encode.encode_request`. It says what the SERVER span says, in the same attributes, and for people in one
line; how bad it is follows from status and termination.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from haproxy_telemetry.otlp.encode import SPAN_ID_SIZE, TRACE_ID_SIZE, any_value, attribute_field
from haproxy_telemetry.otlp.protobuf import length_field, varint_field
from haproxy_telemetry.trace.http import span_name, verdict_of
from haproxy_telemetry.trace.spans import STATUS_ERROR, Attribute
from haproxy_telemetry.trace.stream import EndedStream
from haproxy_telemetry.trace.termination import CLIENT, NORMAL

# SeverityNumber
INFO: Final = 9
WARN: Final = 13
ERROR: Final = 17
SEVERITY_TEXT: Final = {INFO: b"INFO", WARN: b"WARN", ERROR: b"ERROR"}

_TIME: Final = Struct("<BQ").pack  # LogRecord.time_unix_nano = 1, .observed_time_unix_nano = 11
_FLAGS: Final = Struct("<BI").pack  # .flags = 8, fixed32


def encode_log(stream: EndedStream) -> bytes:
    """Return ``stream`` as one ``ScopeLogs.log_records`` field: tag, length and body."""
    level = severity(stream)
    parts = [
        _TIME(0x09, stream.end.end_ns),
        varint_field(2, level),
        length_field(3, SEVERITY_TEXT[level]),
        length_field(5, any_value(sentence(stream))),
    ]
    parts.extend([attribute_field(b"\x32", key, value) for key, value in stream.attributes])  # .attributes = 6
    if stream.trace_id:
        parts.append(_FLAGS(0x45, stream.flags & 0xFF))
        parts.append(_ids(stream.trace_id, stream.span_id))
    parts.append(_TIME(0x59, stream.seen_ns))
    return length_field(2, b"".join(parts))


def severity(stream: EndedStream) -> int:
    """Return ERROR where the server's side failed, WARN where the client did or was refused, else INFO."""
    end = stream.end
    verdict = verdict_of(end)
    termination = verdict.termination
    if end.status < 500 and termination.cause == CLIENT:
        return WARN
    if verdict.server.status == STATUS_ERROR:
        return ERROR
    return WARN if end.status >= 400 or termination.error_type else INFO


def sentence(stream: EndedStream) -> bytes:
    """Return the stream in a line: what was asked for, the status, and how it ended unless as it should."""
    end = stream.end
    words = [span_name(end.request, end.tcp)]
    if path := _text(stream.attributes, b"url.path"):
        words.append(path)
    if end.status:
        words.append(b"%d" % end.status)
    termination = verdict_of(end).termination
    line = b" ".join(words)
    return line if termination is NORMAL else line + b": " + termination.words


def _text(attributes: tuple[Attribute, ...], name: bytes) -> bytes:
    for key, value in attributes:
        if key == name and isinstance(value, bytes):
            return value
    return b""


def _ids(trace_id: bytes, span_id: bytes) -> bytes:
    """Write LogRecord.trace_id = 9 and .span_id = 10."""
    if len(trace_id) != TRACE_ID_SIZE or len(span_id) != SPAN_ID_SIZE:
        raise ValueError(f"ids of {len(trace_id)} and {len(span_id)} bytes, not {TRACE_ID_SIZE} and {SPAN_ID_SIZE}")
    return b"\x4a\x10" + trace_id + b"\x52\x08" + span_id
