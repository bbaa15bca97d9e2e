"""One POST, and what came of it: urllib3's many ways to fail become one of two outcomes here, and only here.

Bounded: an attempt by its time-out (the body of the answer too, so that a receiver that drips is left), the
answer by its size. Redirects are not followed: they are final refusals, and named as such.
"""

from __future__ import annotations

from contextlib import suppress
from http.client import HTTPException
from time import monotonic
from typing import Final, Protocol

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp.retry import Answer, NoAnswer, Outcome
from haproxy_telemetry.otlp.settings import OtlpSettings

MAX_ANSWER_BYTES: Final = 64 * 1024  # an ExportTraceServiceResponse is some hundred bytes
CONTENT_TYPE: Final = "application/x-protobuf"

# HTTPException and ValueError: http.client on an answer that is no HTTP at all
_FAILURES: Final = (HTTPError, HTTPException, OSError, ValueError)


class Transport(Protocol):
    """Delivers one body; :class:`HttpTransport`, or a scripted one in tests."""

    def post(self, body: bytes, timeout_s: float | None) -> Outcome:
        """Send ``body``, already compressed as the settings say; never raises for what the receiver does."""

    def close(self) -> None:
        """Close idle connections."""


class HttpTransport:
    """A keep-alive connection to the endpoint. One thread uses it at a time."""

    def __init__(self, settings: OtlpSettings) -> None:
        self._url = settings.url
        # What a person set may replace the agent's name, but not what describes the body.
        self._headers = urllib3.HTTPHeaderDict({"User-Agent": f"haproxy-telemetry/{__version__}"})
        for name, value in settings.headers.items():
            self._headers[name] = value
        self._headers["Content-Type"] = CONTENT_TYPE
        if settings.gzip:
            self._headers["Content-Encoding"] = "gzip"
        else:
            self._headers.discard("Content-Encoding")
        self._pool = urllib3.PoolManager(1, maxsize=1, ssl_context=settings.tls, retries=False)

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


def _in_words(error: Exception) -> str:
    """Return the cause that a person can act on: the innermost, cut to a line."""
    cause: BaseException = error
    while cause.__cause__ is not None or isinstance(cause.__context__, OSError | HTTPError):
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]  # one of the two is there
    return f"{type(cause).__name__}: {cause}".replace("\n", " ")[:200]
