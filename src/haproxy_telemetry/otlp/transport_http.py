"""OTLP over HTTP.

One POST, and what came of it: urllib3's many ways to fail become one of two outcomes here, and only here.
Bounded: an attempt by its time-out (the body of the answer too, so that a receiver that drips is left), the
answer by its size. Redirects are not followed: they are final refusals, and named as such.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from time import monotonic, sleep
from typing import Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Url, parse_url
from urllib3.util.connection import is_connection_dropped

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp.compress import gzipped
from haproxy_telemetry.otlp.encode import encode_request
from haproxy_telemetry.otlp.json_fields import REQUESTS
from haproxy_telemetry.otlp.retry import Answer, NoAnswer, Outcome
from haproxy_telemetry.otlp.settings import JSON, PROTOBUF, OtlpSettings
from haproxy_telemetry.otlp.signals import Signal
from haproxy_telemetry.otlp.transcode import request_as_json
from haproxy_telemetry.otlp.transport import MAX_ANSWER_BYTES, Groups

CONTENT_TYPES: Final = {PROTOBUF: "application/x-protobuf", JSON: "application/json"}
PIECES: Final = 16  # spans, log records or data points written as JSON in a row: a millisecond
BREATH_S: Final = 0.001

# HTTPException and ValueError: http.client on an answer that is no HTTP at all
_FAILURES: Final = (HTTPError, HTTPException, OSError, ValueError)


class HttpTransport:
    """A keep-alive connection to the endpoint, a :class:`~haproxy_telemetry.otlp.transport.Transport`."""

    def __init__(self, settings: OtlpSettings, signal: Signal) -> None:
        self._json = REQUESTS[signal] if settings.protocol == JSON else None
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
        url = parse_url(settings.url)
        self._target = url.request_uri
        self._connection = _connection(url, settings)

    def body(self, groups: Groups) -> bytes:
        """Return the request, compressed as the settings say."""
        body = encode_request(groups)
        if self._json is not None:
            body = request_as_json(body, self._json, _breathing())
        return gzipped(body) if self._gzip else body

    def post(self, body: bytes, timeout_s: float | None) -> Outcome:
        """POST ``body``; see :class:`~haproxy_telemetry.otlp.transport.Transport`."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        try:
            response = self._answer_to(body, deadline)
        except _FAILURES as error:
            self._connection.close()
            return NoAnswer(_in_words(error))
        return Answer(response.status, response.headers.get("Retry-After"), self._read(response, deadline))

    def _answer_to(self, body: bytes, deadline: float | None) -> BaseHTTPResponse:
        """Send ``body`` and return the answer, of which the head has been read.

        Of urllib3 this takes the connection alone: its pools, which find the one that there is by all that could tell
        it from others, are a third of what a request costs.
        """
        connection = self._connection
        if connection.sock is not None and is_connection_dropped(connection):
            connection.close()
        if connection.sock is None:
            connection.timeout = _left(deadline)
            connection.connect()
        self._give(deadline)
        with suppress(BrokenPipeError, ConnectionResetError):  # who takes no more may have said why
            connection.request("POST", self._target, body=body, headers=self._headers, preload_content=False)
        self._give(deadline)
        return connection.getresponse()

    def _give(self, deadline: float | None) -> None:
        """Let the next step take what is left of the time."""
        self._connection.timeout = left = _left(deadline)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(left)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _read(self, response: BaseHTTPResponse, deadline: float | None) -> bytes | None:
        """Read the body; ``None`` if it breaks off: the status has said already what became of the spans."""
        body = b""
        with suppress(*_FAILURES):
            while len(body) < MAX_ANSWER_BYTES and (deadline is None or monotonic() < deadline):
                part = response.read1(MAX_ANSWER_BYTES - len(body))
                if not part:
                    return body
                body += part
        self._connection.close()  # broken, or longer than any answer should be, in bytes or in time
        return None


def _connection(url: Url, settings: OtlpSettings) -> HTTPConnection:
    """Return what will connect when something is to be sent."""
    assert url.host is not None, "the settings have checked it"
    host = url.host.strip("[]")  # of an IPv6 address: the header Host puts them around it again
    if url.scheme != "https":
        return HTTPConnection(host, url.port)
    return HTTPSConnection(host, url.port, ssl_context=settings.tls and settings.tls.context)


def _left(deadline: float | None) -> float | None:
    """Return the seconds until ``deadline``, or as good as none."""
    return None if deadline is None else max(0.001, deadline - monotonic())


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
    return " ".join(f"{type(cause).__name__}: {cause}".split())[:200]
