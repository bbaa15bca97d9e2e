"""The socket between supervisor and worker, on either's event loop. What waits to be sent is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final, final

from haproxy_telemetry.workers.messages import SIZE_BYTES, Message, Reader, decode, encode, size_of

MAX_WAITING: Final = 32 << 20
"""Bytes that wait for a worker that is busy: a second of 40,000 records. Past it, records are dropped."""


@final
class Channel(asyncio.Protocol):
    """Messages both ways. ``received`` takes what comes, ``lost`` is called when the other end has gone."""

    def __init__(self, received: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()

    async def open(self, sock: socket.socket) -> None:
        """Take the socket over."""
        await asyncio.get_running_loop().create_connection(lambda: self, sock=sock)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what messages are written to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand on what is whole."""
        for message in self._reader.receive(data):
            self._received(message)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """The other end has gone."""
        self._transport = None
        self._gone.set()
        self._lost()

    def send(self, message: Message) -> bool:
        """Send a message, whatever waits; ``False`` if nobody is there."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(encode(message))
        return True

    @property
    def has_room(self) -> bool:
        """Whether the other end keeps up."""
        return self._transport is not None and self._transport.get_write_buffer_size() < MAX_WAITING

    async def finish(self, seconds: float) -> None:
        """Send what waits, for so long at most, and end."""
        if self._transport is not None:
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), seconds)


def read_one(sock: socket.socket) -> Message:
    """Return the next message, and take not a byte more; blocks. Raise ``EOFError`` if there is none."""
    return decode(_exactly(sock, size_of(_exactly(sock, SIZE_BYTES))))


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
