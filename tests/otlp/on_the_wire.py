"""What a gRPC client writes, seen by an HTTP/2 server that knows nothing of gRPC but how to say OK."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded


@dataclass
class Call:
    """A call's headers, and its body with the length-prefixed message in it."""

    headers: dict[bytes, bytes]
    body: bytearray = field(default_factory=bytearray)


def _serve(listener: socket.socket, calls: list[Call]) -> None:
    peer, _ = listener.accept()
    with peer:
        http = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        http.initiate_connection()
        peer.sendall(http.data_to_send())
        while data := peer.recv(65536):
            for event in http.receive_data(data):
                if isinstance(event, RequestReceived):
                    calls.append(Call({bytes(name): bytes(value) for name, value in event.headers}))
                elif isinstance(event, DataReceived):
                    calls[-1].body += event.data
                    http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    http.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                    http.send_data(event.stream_id, bytes(5))  # an empty message
                    http.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
            peer.sendall(http.data_to_send())


@contextmanager
def on_the_wire() -> Iterator[tuple[int, list[Call]]]:
    """Serve one connection; give the port, and the calls."""
    calls: list[Call] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, calls), daemon=True)
        thread.start()
        yield listener.getsockname()[1], calls
        thread.join(10)
