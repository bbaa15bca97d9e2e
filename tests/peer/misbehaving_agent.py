"""An agent that breaks the rules at one point, to see what HAProxy makes of it. Its frames are put together by hand."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from haproxy_telemetry.spop.actions import Scope, SetVar, serialize_action
from haproxy_telemetry.spop.frames import FIN, Frame, FrameType, parse_frame, serialize_frame
from haproxy_telemetry.spop.handshake import serialize_agent_disconnect, serialize_agent_hello
from peer.processes import LOOPBACK


class Talk:
    """One connection of HAProxy, read frame by frame."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self) -> Frame | None:
        """The next frame; None when HAProxy has closed."""
        head = self._exactly(4)
        body = self._exactly(int.from_bytes(head, "big")) if head else b""
        return parse_frame(body) if body else None

    def _exactly(self, number: int) -> bytes:
        data = b""
        while len(data) < number and (more := self._connection.recv(number - len(data))):
            data += more
        return data if len(data) == number else b""

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def close(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()


Behaviour = Callable[[Talk, Frame], None]


def hello(talk: Talk, _: Frame) -> None:
    """As it should be."""
    talk.write(serialize_agent_hello(16_380, [b"pipelining"]))


def answer(value: bytes = b"yes") -> bytes:
    """The action that the tests' configuration reads: `txn.agent.answer`."""
    return serialize_action(SetVar(Scope.TXN, b"answer", value))


def ack(notify: Frame, payload: bytes, *, flags: int = FIN, streams_on: int = 0, frames_on: int = 0) -> bytes:
    """An ACK of a NOTIFY, or of one whose ids are further on."""
    ids = notify.stream_id + streams_on, notify.frame_id + frames_on
    return serialize_frame(Frame(FrameType.ACK, flags, *ids, payload))


class MisbehavingAgent:
    """Blocking sockets and a thread per connection. Use as a context manager."""

    def __init__(self, on_notify: Behaviour, on_hello: Behaviour = hello) -> None:
        self._on_notify = on_notify
        self._on_hello = on_hello
        self._listener = socket.create_server((LOOPBACK, 0), backlog=128)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = {self._listener}
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> MisbehavingAgent:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            sockets = list(self._open)
        for one in sockets:
            with contextlib.suppress(OSError):  # ended already
                one.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in it
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        talk = Talk(connection)
        with contextlib.suppress(OSError), connection:  # HAProxy or we may reset it
            while (frame := talk.read()) is not None:
                self._take(talk, frame)
        with self._lock:
            self._open.discard(connection)

    def _take(self, talk: Talk, frame: Frame) -> None:
        if frame.type == FrameType.HAPROXY_HELLO:
            self._on_hello(talk, frame)
        elif frame.type == FrameType.NOTIFY:
            self._on_notify(talk, frame)
        else:
            talk.write(serialize_agent_disconnect(0, b""))  # to HAPROXY-DISCONNECT, the only other frame
            talk.close()
