"""What a receiver's answer says, read without trusting it: partial success, and the reason of a refusal."""

from __future__ import annotations

from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from haproxy_telemetry.otlp.protobuf import ProtobufError, read_fields
from haproxy_telemetry.otlp.retry import Answer, GrpcAnswer, Outcome
from haproxy_telemetry.otlp.text import to_str

RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"
MAX_MESSAGE_CHARS: Final = 200  # of the receiver's words in a log line


# A body that begins with a brace is JSON: as protobuf, the byte would be field 15 as a group, which OTLP has nowhere.
# So an answer is understood in whichever form it comes; gateways refuse in JSON what they were sent in protobuf.
_NOT_JSON: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


class _Partial(msgspec.Struct, rename="camel"):
    """The three signals' ``partialSuccess``; an int64 is a string in JSON, but not everywhere."""

    rejected_spans: int | str = 0
    rejected_data_points: int | str = 0
    rejected_log_records: int | str = 0
    error_message: str = ""


class _Response(msgspec.Struct, rename="camel"):
    partial_success: _Partial | None = None


class _Status(msgspec.Struct):
    message: str = ""


class PartialSuccess(NamedTuple):
    """``ExportTracePartialSuccess``: how many spans were rejected, and why in the receiver's words."""

    rejected: int
    message: str


def parse_partial_success(body: bytes) -> PartialSuccess:
    """Read an ``Export…ServiceResponse``, also one in JSON; an empty one is a full success.

    Raises ``ProtobufError``, also for what is neither.
    """
    if body.startswith(b"{"):
        return _partial_success_of_json(body)
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


def _partial_success_of_json(body: bytes) -> PartialSuccess:
    try:
        partial = msgspec.json.decode(body, type=_Response).partial_success or _Partial()
    except _NOT_JSON as error:
        raise ProtobufError("JSON that can't be read", 0) from error
    given = (partial.rejected_spans, partial.rejected_data_points, partial.rejected_log_records)
    rejected = max(int(one) if str(one).isdecimal() and len(str(one)) < 20 else 0 for one in given)
    return PartialSuccess(rejected, _printable(partial.error_message.encode()))


def refusal_message(body: bytes) -> str:
    """Return the message of a ``google.rpc.Status``, also one in JSON, or the start of whatever text came instead."""
    if body.startswith(b"{"):
        with suppress(*_NOT_JSON):
            return _printable(msgspec.json.decode(body, type=_Status).message.encode())
    try:
        for number, value in read_fields(body):
            if number == 2 and isinstance(value, bytes):
                return _printable(value)
    except ProtobufError:
        return _printable(body)
    return ""


def retry_info(status: bytes) -> float | None:
    """Return the seconds of a ``google.rpc.RetryInfo`` in a ``google.rpc.Status``; ``None`` if there is none.

    0.0 for one without a delay. The bytes are those of gRPC's ``grpc-status-details-bin``.
    """
    try:
        for number, value in read_fields(status):
            if number == 3 and isinstance(value, bytes):  # Status.details, each an Any
                detail = dict(read_fields(value))
                if detail.get(1) == RETRY_INFO:
                    return _retry_delay(detail.get(2, b""))
    except ProtobufError:
        return None
    return None


def _retry_delay(info: int | bytes) -> float:
    """Read RetryInfo.retry_delay = 1, a Duration of seconds = 1 and nanos = 2; 0.0 for one that points back."""
    delay = dict(read_fields(info)).get(1, b"") if isinstance(info, bytes) else b""
    fields = dict(read_fields(delay)) if isinstance(delay, bytes) else {}
    seconds, nanos = fields.get(1, 0), fields.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int) or seconds >= 1 << 63 or nanos >= 1 << 31:
        return 0.0
    return seconds + nanos / 1e9


def describe(outcome: Outcome) -> str:
    """Return an outcome in words, for a log line."""
    if isinstance(outcome, Answer):
        name, message = f"HTTP {outcome.status}", refusal_message(outcome.body or b"")
    elif isinstance(outcome, GrpcAnswer):
        name, message = f"gRPC {outcome.code}", _printable(outcome.message.encode())
    else:
        return outcome.problem
    return f"{name} ({message})" if message else name


def _printable(raw: bytes) -> str:
    """One line for the log: a receiver must not be able to forge others."""
    text = to_str(raw[: MAX_MESSAGE_CHARS * 4])[:MAX_MESSAGE_CHARS]
    return "".join(c if c.isprintable() else " " for c in text).strip()
