"""``POST /v1/traces``: bounded in bytes and time while it is read, decoded in a thread, answered once it is stored."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from time import time_ns
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from haproxy_telemetry.logs import OnceLogger
from haproxy_telemetry.viewer.bodies import (
    MAX_BODY,
    Answer,
    BadRequestError,
    Encoding,
    encoding_of,
    failure,
    success,
    too_large,
    unpack,
)
from haproxy_telemetry.viewer.decode import Decoded, parse_json, parse_protobuf, spans_of
from haproxy_telemetry.viewer.writer import QueueFullError, Writer

MAX_READING: Final = 4 * MAX_BODY
"""Bytes of all bodies that are being read or decoded: many large requests at once shall not take all memory."""

READ_S: Final = 30.0
"""Seconds for a whole body."""

DECODERS: Final = 2
"""Requests that are decoded at once; more would only share the interpreter."""

RETRY_AFTER_S: Final = 1

_ONCE: Final = OnceLogger(logging.getLogger("haproxy_telemetry.viewer"))


class Received:
    """What came in, and what of it was not taken, by reason: spans and whole requests."""

    def __init__(self) -> None:
        self.requests = 0
        self.spans = 0
        self.last_ns: int | None = None
        self.rejected: Counter[str] = Counter()

    def as_json(self) -> dict[str, object]:
        """Return the counters for the status page."""
        last = None if self.last_ns is None else str(self.last_ns)
        rejected = dict(sorted(self.rejected.items()))
        return {"requests": self.requests, "spans": self.spans, "lastUnixNano": last, "rejected": rejected}


class Intake:
    """Takes OTLP requests in."""

    def __init__(self, writer: Writer) -> None:
        self.received = Received()
        self._writer = writer
        self._reading = 0
        self._decoders = asyncio.Semaphore(DECODERS)

    async def post(self, request: Request) -> Response:
        """Answer one request."""
        encoding = Encoding.PROTOBUF
        try:
            encoding = encoding_of(request.headers.get("content-type", ""))
            return _response(await self._take(request, encoding))
        except BadRequestError as error:
            self.received.rejected[error.reason] += 1
            return _response(failure(error.status, str(error), encoding))
        except Exception as error:  # a full disk, a bug of ours: the exporter may try again
            self.received.rejected["internal_error"] += 1
            _ONCE.warn_once(("intake", type(error)), "an OTLP request failed", error=error)
            return _response(failure(503, "the viewer could not store it", encoding))

    async def refuse_method(self, request: Request) -> Response:
        """Answer a request that is no POST."""
        try:
            encoding = encoding_of(request.headers.get("content-type", ""))
        except BadRequestError:
            encoding = Encoding.JSON
        response = _response(failure(405, "traces come by POST", encoding))
        response.headers["allow"] = "POST"
        return response

    async def _take(self, request: Request, encoding: Encoding) -> Answer:
        reserved = _Reserved(self)
        try:
            body = await self._read(request, reserved)
            async with self._decoders:
                packed = request.headers.get("content-encoding", "")
                decoded = await asyncio.to_thread(_decode, body, packed, encoding)
        finally:
            reserved.release()
        return await self._store(decoded, encoding)

    async def _read(self, request: Request, reserved: _Reserved) -> bytes:
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_BODY:
            raise too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(READ_S):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > MAX_BODY:
                        raise too_large()
                    reserved.add(len(chunk))
                    body += chunk
        except TimeoutError:
            text = f"the body did not come within {READ_S:.0f} s"
            raise BadRequestError(408, "body_too_slow", text) from None
        except ClientDisconnect:
            raise BadRequestError(400, "client_gone", "the client went away") from None
        return bytes(body)

    async def _store(self, decoded: Decoded, encoding: Encoding) -> Answer:
        try:
            left_out = await asyncio.wrap_future(self._writer.put(decoded.spans)) if decoded.spans else {}
        except QueueFullError:
            raise BadRequestError(503, "queue_full", "more waits to be stored than may wait; try again") from None
        received = self.received
        received.requests += 1
        received.spans += len(decoded.spans)
        received.last_ns = time_ns()
        received.rejected.update(left_out)
        received.rejected.update(decoded.rejected)
        wrong = ", ".join(f"{count} with {reason}" for reason, count in decoded.rejected.items())
        return success(encoding, sum(decoded.rejected.values()), f"spans were left out: {wrong}" if wrong else "")

    def reserve(self, size: int) -> None:
        """Count bytes of a body in, or refuse them."""
        if self._reading + size > MAX_READING:
            raise BadRequestError(503, "busy", "too many large requests at once; try again")
        self._reading += size

    def release(self, size: int) -> None:
        """Count bytes of a body out."""
        self._reading -= size


class _Reserved:
    """What one request holds of the bytes that all may hold."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._size = 0

    def add(self, size: int) -> None:
        self._intake.reserve(size)
        self._size += size

    def release(self) -> None:
        self._intake.release(self._size)
        self._size = 0


def _decode(body: bytes, content_encoding: str, encoding: Encoding) -> Decoded:
    plain = unpack(body, content_encoding)
    return spans_of(parse_protobuf(plain) if encoding is Encoding.PROTOBUF else parse_json(plain))


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, media_type=answer.content_type)
    if answer.status == 503:
        response.headers["retry-after"] = str(RETRY_AFTER_S)
    return response
