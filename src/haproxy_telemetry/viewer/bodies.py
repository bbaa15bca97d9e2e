"""The envelope of an OTLP/HTTP request and of its answer: content type, compression, size, errors. Pure.

OTLP specification, "OTLP/HTTP Request" and "OTLP/HTTP Response": the answer is in the encoding of the request, an
error is a ``google.rpc.Status``, and a request of which spans were left out is a success with ``partial_success``.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from enum import Enum

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from haproxy_telemetry.otlp.protobuf import length_field, varint_field

MAX_BODY = 64 * 1024 * 1024  # bytes, and as many when unpacked

_GZIP = 31  # zlib's number for a gzip container


class Encoding(Enum):
    """How a request is written, by its Content-Type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class BadRequestError(Exception):
    """A request that is refused: with ``status`` in HTTP, counted under ``reason``."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to an exporter."""

    status: int
    content_type: str
    body: bytes


def encoding_of(content_type: str) -> Encoding:
    """Return how a request of this Content-Type is written; its parameters do not count."""
    kind = content_type.partition(";")[0].strip().lower()
    for encoding in Encoding:
        if kind == encoding.value:
            return encoding
    both = " and ".join(encoding.value for encoding in Encoding)
    raise BadRequestError(415, "bad_content_type", f"{both} are read here, not {kind[:100] or 'no Content-Type'}")


def too_large() -> BadRequestError:
    """Return the error for a body that is larger than any may be."""
    return BadRequestError(413, "too_large", f"a request has at most {MAX_BODY} bytes, also when unpacked")


def unpack(body: bytes, content_encoding: str, limit: int = MAX_BODY) -> bytes:
    """Return the body without its compression; never makes more than ``limit`` bytes of it."""
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise BadRequestError(415, "bad_content_encoding", f"gzip is read here, not {encoding[:100]}")
    inflate = zlib.decompressobj(wbits=_GZIP)
    try:
        plain = inflate.decompress(body, limit + 1)
    except zlib.error as error:
        raise BadRequestError(400, "bad_gzip", f"the body is no gzip: {error}") from error
    if len(plain) > limit:
        raise too_large()
    if not inflate.eof or inflate.unused_data:
        raise BadRequestError(400, "bad_gzip", "the body must be one whole gzip member")
    return plain


def success(encoding: Encoding, rejected: int = 0, message: str = "") -> Answer:
    """Return the answer to a request that was taken, but for ``rejected`` spans, which ``message`` tells about."""
    if encoding is Encoding.JSON:
        partial = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}} if rejected else {}
        return Answer(200, encoding.value, json.dumps(partial).encode())
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    return Answer(200, encoding.value, response.SerializeToString())


def failure(status: int, text: str, encoding: Encoding) -> Answer:
    """Return the answer to a request that was not taken: a ``google.rpc.Status``."""
    code = _CODES.get(status, _UNKNOWN)
    if encoding is Encoding.JSON:
        return Answer(status, encoding.value, json.dumps({"code": code, "message": text}).encode())
    return Answer(status, encoding.value, varint_field(1, code) + length_field(2, text.encode()))


# google.rpc.Code: INVALID_ARGUMENT, UNIMPLEMENTED, OUT_OF_RANGE, UNAVAILABLE, ...
_UNKNOWN = 2
_CODES = {400: 3, 403: 7, 404: 5, 405: 12, 408: 4, 413: 11, 415: 3, 500: 13, 503: 14}
