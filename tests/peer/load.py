"""Many requests in a short time, over some connections that are kept."""

from __future__ import annotations

import asyncio

from peer.processes import LOOPBACK

_REQUEST = b"GET /%d HTTP/1.1\r\nhost: load\r\n\r\n"


def send_many(port: int, number: int, connections: int = 32) -> int:
    """Send so many requests, each with a path of its own; return how many got 200. 60 seconds at most."""
    return asyncio.run(_send(port, number, connections))


async def _send(port: int, number: int, connections: int) -> int:
    waiting = iter(range(number))
    async with asyncio.timeout(60):
        return sum(await asyncio.gather(*[_connection(port, waiting) for _ in range(connections)]))


async def _connection(port: int, waiting: object) -> int:
    """One client: the next request when the last one is answered."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    good = 0
    for path in waiting:  # type: ignore[attr-defined]  # an iterator that all clients share
        writer.write(_REQUEST % path)
        head = await reader.readuntil(b"\r\n\r\n")
        good += head.startswith(b"HTTP/1.1 200 ")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
    writer.close()
    return good
