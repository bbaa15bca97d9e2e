"""What can happen between HAProxy and its agent: datagrams that are lost, frames that are late."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

from peer.processes import LOOPBACK, PATIENCE

_NOTIFY = 3  # SPOE.txt 3.2: the type of HAPROXY-NOTIFY


class LosingRelay:
    """A UDP port whose datagrams go on to ``target``, but for those that ``loses`` picks. Use as a context manager."""

    def __init__(self, loses: Callable[[bytes], bool]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self._loses = loses
        self.port: int = self._socket.getsockname()[1]
        self.target = 0
        self.passed: list[bytes] = []
        self.lost: list[bytes] = []

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while datagram := self._socket.recv(65536):
                if self._loses(datagram):
                    self.lost.append(datagram)
                else:
                    self._socket.sendto(datagram, (LOOPBACK, self.target))
                    self.passed.append(datagram)

    def __enter__(self) -> LosingRelay:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", (LOOPBACK, self.port))
        self._socket.close()


class LateRelay:
    """A TCP port whose connections go on to ``target``; each NOTIFY is held back. Use as a context manager."""

    def __init__(self, seconds: float) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self._seconds = seconds
        self.port: int = self._listener.getsockname()[1]
        self.target = 0

    def _run(self) -> None:
        while True:
            try:
                haproxy, _ = self._listener.accept()
            except OSError:
                return
            if not self.target:
                haproxy.close()
                continue
            agent = socket.create_connection((LOOPBACK, self.target), PATIENCE)
            for way in (self._hold_back, self._pass_on):
                threading.Thread(target=way, args=(haproxy, agent), daemon=True).start()

    def _hold_back(self, haproxy: socket.socket, agent: socket.socket) -> None:
        with contextlib.suppress(OSError), agent, haproxy.makefile("rb") as stream:
            while len(length := stream.read(4)) == 4:
                frame = stream.read(struct.unpack(">I", length)[0])
                if frame[:1] == bytes((_NOTIFY,)):
                    time.sleep(self._seconds)
                agent.sendall(length + frame)
            agent.shutdown(socket.SHUT_RDWR)

    def _pass_on(self, haproxy: socket.socket, agent: socket.socket) -> None:
        with contextlib.suppress(OSError), haproxy:
            while data := agent.recv(65536):
                haproxy.sendall(data)

    def __enter__(self) -> LateRelay:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
