"""What carries a request: the protocol of all transports, and HTTP's.

One POST, and what came of it: urllib3's many ways to fail become one of two outcomes here, and only here.
Bounded: an attempt by its time-out (the body of the answer too, so that a receiver that drips is left), the
answer by its size. Redirects are not followed: they are final refusals, and named as such.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPException
from time import monotonic, sleep
from typing import Final, Protocol, TypeAlias

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp.encode import encode_request
from haproxy_telemetry.otlp.json_fields import REQUESTS
from haproxy_telemetry.otlp.retry import Answer, NoAnswer, Outcome
from haproxy_telemetry.otlp.settings import JSON, PROTOBUF, OtlpSettings
from haproxy_telemetry.otlp.signals import Signal
from haproxy_telemetry.otlp.transcode import request_as_json

MAX_ANSWER_BYTES: Final = 64 * 1024  # an ExportTraceServiceResponse is some hundred bytes
CONTENT_TYPES: Final = {PROTOBUF: "application/x-protobuf", JSON: "application/json"}
PIECES: Final = 16  # spans, log records or data points written as JSON in a row: a millisecond
BREATH_S: Final = 0.001
GZIP_LEVEL: Final = 1  # 0.8 us a span for a fifth of the size; level 6 takes 2.3 for hardly less
GZIP_WBITS: Final = 31  # a gzip container, not a zlib one

Groups: TypeAlias = Sequence[tuple[bytes, Sequence[bytes]]]
"""A batch's content: of each resource, its encoding and its encoded items."""

# HTTPException and ValueError: http.client on an answer that is no HTTP at all
_FAILURES: Final = (HTTPError, HTTPException, OSError, ValueError)


class Transport(Protocol):
    """Delivers one body; :class:`HttpTransport`, the one of ``transport_grpc``, or a scripted one in tests."""

    def body(self, groups: Groups) -> bytes:
        """Return what :meth:`post` wants for a batch; made once for all attempts."""

    def post(self, body: bytes, timeout_s: float | None) -> Outcome:
        """Send a ``body``; never raises for what the receiver does."""

    def close(self) -> None:
        """Close idle connections."""


class HttpTransport:
    """A keep-alive connection to the endpoint. One thread uses it at a time."""

    def __init__(self, settings: OtlpSettings, signal: Signal) -> None:
        self._json = REQUESTS[signal] if settings.protocol == JSON else None
        self._url = settings.url
        self._gzip = settings.gzip
        # What a person set may replace the agent's name, but not what describes the body.
        self._headers = urllib3.HTTPHeaderDict({"User-Agent": f"haproxy-telemetry/{__version__}"})
        for name, value in settings.headers.items():
            self._headers[name] = value
        self._headers["Content-Type"] = CONTENT_TYPES[settings.protocol]
        if settings.gzip:
            self._headers["Content-Encoding"] = "gzip"
        else:
            self._headers.discard("Content-Encoding")
        self._pool = urllib3.PoolManager(1, maxsize=1, ssl_context=settings.tls and settings.tls.context, retries=False)

    def body(self, groups: Groups) -> bytes:
        """Return the request, compressed as the settings say."""
        body = encode_request(groups)
        if self._json is not None:
            body = request_as_json(body, self._json, _breathing())
        return zlib.compress(body, GZIP_LEVEL, GZIP_WBITS) if self._gzip else body

    def post(self, body: bytes, timeout_s: float | None) -> Outcome:
        """POST ``body``; see :class:`Transport`."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers=self._headers,
                timeout=urllib3.Timeout(timeout_s),
                redirect=False,
                preload_content=False,
            )
        except _FAILURES as error:
            return NoAnswer(_in_words(error))
        return Answer(response.status, response.headers.get("Retry-After"), self._read(response, deadline))

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    def _read(self, response: BaseHTTPResponse, deadline: float | None) -> bytes | None:
        """Read the body; ``None`` if it breaks off: the status has said already what became of the spans."""
        body = b""
        with suppress(*_FAILURES):
            while len(body) < MAX_ANSWER_BYTES and (deadline is None or monotonic() < deadline):
                part = response.read1(MAX_ANSWER_BYTES - len(body))
                if not part:
                    response.release_conn()
                    return body
                body += part
        response.close()  # broken, or longer than any answer should be, in bytes or in time
        return None


def _breathing() -> Callable[[], None]:
    """Return what lets other threads have the interpreter after each so many pieces."""
    pieces = itertools.count(1)

    def breathe() -> None:
        if next(pieces) % PIECES == 0:
            sleep(BREATH_S)

    return breathe


def _in_words(error: Exception) -> str:
    """Return the cause that a person can act on: the innermost, cut to a line."""
    cause: BaseException = error
    while cause.__cause__ is not None or isinstance(cause.__context__, OSError | HTTPError):
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]  # one of the two is there
    return f"{type(cause).__name__}: {cause}".replace("\n", " ")[:200]
