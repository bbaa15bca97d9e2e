"""OTLP over gRPC by grpcio, with our own bytes as the message: its generated classes are not needed.

grpcio works in threads of its own, outside the interpreter; the sender's thread waits for it. How often to try, and
when, is :mod:`~.retry`'s to say: the library's own retries are off, and after a call that found nobody the channel is
made anew, so that its own backoff (up to two minutes) and a connection that has died in silence are left behind.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import grpc

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp.answer import retry_info
from haproxy_telemetry.otlp.encode import encode_request
from haproxy_telemetry.otlp.retry import GrpcAnswer, Outcome
from haproxy_telemetry.otlp.settings import OtlpSettings
from haproxy_telemetry.otlp.signals import Signal
from haproxy_telemetry.otlp.transport import MAX_ANSWER_BYTES, Groups

STATUS_DETAILS: Final = "grpc-status-details-bin"
_NOBODY_THERE: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class GrpcTransport:
    """A channel to the endpoint. One thread uses it at a time."""

    def __init__(self, settings: OtlpSettings, signal: Signal) -> None:
        self._settings = settings
        self._method = f"/{signal.service}/Export"
        headers = dict(settings.headers)
        agent = headers.pop("user-agent", f"haproxy-telemetry/{__version__}")
        # A value under a key in -bin is bytes to grpcio, which encodes it.
        self._metadata = [(k, v.encode() if k.endswith("-bin") else v) for k, v in headers.items()]
        self._options = [
            ("grpc.primary_user_agent", agent),
            ("grpc.enable_retries", 0),
            ("grpc.enable_http_proxy", 0),  # as over HTTP: the agent uses no proxies
            ("grpc.use_local_subchannel_pool", 1),  # a new channel shall not inherit an old one's backoff
            ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ]
        self._channel: Any = None
        self._call: Any = None

    def body(self, groups: Groups) -> bytes:
        """Return the request; grpcio compresses it."""
        return encode_request(groups)

    def post(self, body: bytes, timeout_s: float | None) -> Outcome:
        """Call ``Export``; see :class:`~.transport.Transport`."""
        if self._channel is None:
            self._open()
        try:
            answer, call = self._call.with_call(body, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            if error.code() in _NOBODY_THERE:
                self.close()
            words = (error.details() or "").rpartition("last error: ")[2]  # the cause stands after all that led to it
            return GrpcAnswer(error.code().name, words, _retry_delay(error), None)
        return GrpcAnswer(call.code().name, "", None, answer)

    def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            self._channel.close()
            self._channel = self._call = None

    def _open(self) -> None:
        settings = self._settings
        target = settings.url if settings.url.startswith("unix:") else _host_and_port(settings.url)
        compression = grpc.Compression.Gzip if settings.gzip else grpc.Compression.NoCompression
        if settings.tls is None:
            self._channel = grpc.insecure_channel(target, self._options, compression)
        else:
            tls = settings.tls
            credentials = grpc.ssl_channel_credentials(tls.authorities, tls.key, tls.certificate)
            self._channel = grpc.secure_channel(target, credentials, self._options, compression)
        self._call = self._channel.unary_unary(self._method)  # without serializers: bytes as they are


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _retry_delay(error: Any) -> float | None:
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS:
            return retry_info(value)
    return None
