"""Requests as clients of HAProxy make them: one, several on a kept connection, several HTTP/2 streams at once."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from peer.processes import LOOPBACK, PATIENCE

Headers = Iterable[tuple[str, str]]


@dataclass
class Response:
    """A whole answer. Header names are in lower case."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of one header; None when it is missing."""
        return next((value for key, value in self.headers if key == name), None)


def request(
    port: int, path: str = "/", method: str = "GET", headers: Headers = (), body: bytes | None = None
) -> Response:
    """Send one HTTP/1.1 request on a connection of its own."""
    return keep_alive(port, [path], method, headers, body)[0]


def keep_alive(
    port: int, paths: Sequence[str], method: str = "GET", headers: Headers = (), body: bytes | None = None
) -> list[Response]:
    """Send HTTP/1.1 requests one after the other on one connection; fails when HAProxy closes it between."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
    try:
        connection.connect()
        connection.auto_open = 0
        return [_exchange(connection, path, method, headers, body) for path in paths]
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, path: str, method: str, headers: Headers, body: bytes | None
) -> Response:
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    return Response(answer.status, [(name.lower(), value) for name, value in answer.getheaders()], answer.read())


def http2_streams(port: int, paths: Sequence[str], headers: Headers = ()) -> list[Response]:
    """Send one GET for each path, all before the first answer is read, as streams of one HTTP/2 connection.

    HTTP/2 begins at once (`bind … proto h2` in HAProxy): no TLS is involved.
    """
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    responses: dict[int, Response] = {}
    for path in paths:
        stream = client.get_next_available_stream_id()
        responses[stream] = Response()
        head = [(":method", "GET"), (":scheme", "http"), (":authority", f"{LOOPBACK}:{port}"), (":path", path)]
        client.send_headers(stream, [*head, *headers], end_stream=True)
    with socket.create_connection((LOOPBACK, port), PATIENCE) as connection:
        connection.sendall(client.data_to_send())
        _receive(connection, client, responses)
    return list(responses.values())


def _receive(connection: socket.socket, client: h2.connection.H2Connection, responses: dict[int, Response]) -> None:
    waiting = set(responses)
    while waiting:
        data = connection.recv(65_536)
        assert data, f"HAProxy closed the connection with {len(waiting)} streams unanswered"
        for event in client.receive_data(data):
            match event:
                case h2.events.ResponseReceived():
                    fields = [(str(name), str(value)) for name, value in event.headers or ()]
                    responses[event.stream_id].headers = fields
                    responses[event.stream_id].status = int(dict(fields)[":status"])
                case h2.events.DataReceived():
                    responses[event.stream_id].body += event.data or b""
                    client.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                case h2.events.StreamEnded():
                    waiting.discard(event.stream_id)
                case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                    raise AssertionError(f"HAProxy gave up: {event}")
        connection.sendall(client.data_to_send())
