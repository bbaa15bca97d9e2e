"""An agent that only answers, and remembers every event: the driver of `AgentConnection` in its smallest form.

It lets a test see what HAProxy really sends, and lets an agent misbehave on purpose, without the server.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

from haproxy_telemetry.spop import HARMLESS_ACTION, Action, AgentConnection, Event, Message, Notified
from peer.processes import LOOPBACK

Answer = Callable[[Notified], Sequence[Action]]


def answer_nothing(_: Notified) -> Sequence[Action]:
    """The default answer: one action without effect, since 3.1.0 loses an ACK that has none."""
    return (HARMLESS_ACTION,)


class RecordingAgent:
    """Blocking sockets and a thread per connection. Use as a context manager."""

    def __init__(self, answer: Answer = answer_nothing) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._events: list[tuple[int, Event]] = []
        self._sockets: list[socket.socket] = [socket.create_server((LOOPBACK, 0), backlog=128)]
        self.port: int = self._sockets[0].getsockname()[1]

    @property
    def events(self) -> list[tuple[int, Event]]:
        """All events so far, each with the number of its connection (from 1, by order of accept)."""
        with self._lock:
            return list(self._events)

    @property
    def messages(self) -> list[Message]:
        """All messages so far, of all connections."""
        return [m for _, event in self.events if isinstance(event, Notified) for m in event.messages]

    def __enter__(self) -> RecordingAgent:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in it
            except OSError:
                continue  # HAProxy ended this one already
            finally:
                one.close()

    def _accept(self) -> None:
        listener, number = self._sockets[0], 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets.append(connection)
            threading.Thread(target=self._serve, args=(number, connection), daemon=True).start()

    def _serve(self, number: int, connection: socket.socket) -> None:
        agent = AgentConnection()
        try:
            while not agent.closed and (data := connection.recv(65_536)):
                for event in agent.receive_data(data):
                    with self._lock:
                        self._events.append((number, event))
                    if isinstance(event, Notified):
                        agent.acknowledge(event, self._answer(event))
                connection.sendall(agent.data_to_send())
        except OSError:
            return  # a reset is how HAProxy ends health checks, and everything from 3.1 on
