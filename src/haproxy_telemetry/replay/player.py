"""Plays a script against an agent over its sockets, one step after the other."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, final

from haproxy_telemetry.recorder.cutting import Cutter
from haproxy_telemetry.replay.answers import Answers
from haproxy_telemetry.replay.script import Await, Close, Ids, Record, Script, Send
from haproxy_telemetry.settings import ListenAddress, UdpAddress, UnixAddress

PATIENCE_S: Final = 5.0
"""Seconds for an answer: ten times what HAProxy usually waits (``timeout processing``)."""

LONGEST_PAUSE_MS: Final = 10_000.0
"""A longer one becomes as long: between two runs of the agent there may be a night."""

_LARGEST: Final = 64 << 20


class CannotPlayError(Exception):
    """The agent cannot be reached; says where and why."""


@final
class _Connection:
    def __init__(self, sock: socket.socket, name: str) -> None:
        self.sock = sock
        self.name = name
        self.cutter = Cutter(_LARGEST)
        self.ended = False


@final
class Player:
    """One run. ``speed``: how many times as fast as it was; 0: as fast as it goes."""

    def __init__(
        self, address: ListenAddress, speed: float, records_to: UdpAddress | None = None, patience: float = PATIENCE_S
    ) -> None:
        self._address = address
        self._speed = speed
        self._records_to = records_to
        self._patience = patience
        self._connections: dict[str, _Connection] = {}
        self._datagrams = socket.socket(socket.AF_INET6 if _is_v6(records_to) else socket.AF_INET, socket.SOCK_DGRAM)
        self.answers = Answers()

    def play(self, script: Script) -> Answers:
        """Take all steps; raises :class:`CannotPlayError` if nobody listens."""
        began, passed = time.monotonic(), 0.0
        last = next((at for step in script.steps if (at := _time(step)) >= 0), 0.0)
        try:
            for step in script.steps:
                if self._speed and (at := _time(step)) >= 0:
                    passed, last = passed + min(at - last, LONGEST_PAUSE_MS), at
                    self._wait_until(began + passed / 1000 / self._speed)
                self._take(step)
            for ids in [ids for ids, count in self.answers.waiting.items() if count]:
                self._await(ids)
        finally:
            for connection in self._connections.values():
                connection.sock.close()
            self._datagrams.close()
        return self.answers

    def _take(self, step: Send | Await | Close | Record) -> None:
        if isinstance(step, Send):
            self._send(step)
        elif isinstance(step, Await):
            self._await(step.ids)
        elif isinstance(step, Close):
            self._close(step.connection)
        elif self._records_to is None:
            self.answers.records_left_out += 1
        else:
            self.answers.records += 1
            self._datagrams.sendto(step.data, (self._records_to.host, self._records_to.port))

    def _wait_until(self, moment: float) -> None:
        """Let time pass, and take what comes meanwhile."""
        while (left := moment - time.monotonic()) > 0:
            time.sleep(min(left, 0.01))
            for connection in self._connections.values():
                self._read(connection, 0.0)

    def _send(self, step: Send) -> None:
        if step.hello:
            self._connect(step.connection)
        connection = self._connections.get(step.connection)
        if connection is None or connection.ended:
            self.answers.unsent += step.ids is not None
            return
        if step.ids is not None:
            self.answers.notified(step.ids)
        hellos = self.answers.hellos
        try:
            connection.sock.settimeout(self._patience)
            connection.sock.sendall(step.data)
        except OSError:
            connection.ended = True
            return
        if step.hello:
            self._read_until(connection, lambda: self.answers.hellos > hellos)

    def _connect(self, name: str) -> None:
        self._close(name)
        try:
            sock = _connect(self._address, self._patience)
        except OSError as error:
            raise CannotPlayError(f"cannot connect to {self._address}: {error.strerror or error}") from error
        self._connections[name] = _Connection(sock, name)
        self.answers.connections += 1

    def _close(self, name: str) -> None:
        """Close a connection, when all on it was answered or will not be."""
        connection = self._connections.pop(name, None)
        if connection is not None:
            waits = [ids for ids, count in self.answers.waiting.items() if count and ids.connection == name]
            self._read_until(connection, lambda: not any(self.answers.waiting[ids] for ids in waits))
            connection.sock.close()

    def _await(self, ids: Ids) -> None:
        connection = self._connections.get(ids.connection)
        if connection is not None:
            self._read_until(connection, lambda: not self.answers.waiting[ids])

    def _read_until(self, connection: _Connection, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._patience
        while not done() and not connection.ended and (left := deadline - time.monotonic()) > 0:
            self._read(connection, left)

    def _read(self, connection: _Connection, seconds: float) -> None:
        """Take what has come, or comes within so many seconds."""
        if connection.ended:
            return
        try:
            connection.sock.settimeout(seconds)
            data = connection.sock.recv(65536)
        except (BlockingIOError, TimeoutError):
            return
        except OSError:
            data = b""
        connection.ended = not data
        for frame in connection.cutter.feed(data):
            with suppress(IndexError):
                self.answers.take(connection.name, frame)


def _time(step: Send | Await | Close | Record) -> float:
    return -1.0 if isinstance(step, Await) else step.at_ms


def _connect(address: ListenAddress, patience: float) -> socket.socket:
    if isinstance(address, UnixAddress):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(patience)
        sock.connect(address.path)
        return sock
    sock = socket.create_connection((address.host, address.port), patience)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _is_v6(address: UdpAddress | None) -> bool:
    return address is not None and ":" in address.host
