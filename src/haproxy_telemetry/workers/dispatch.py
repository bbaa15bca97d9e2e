"""Whose is a record? The worker that was told of the stream must get its end, since the two meet in one place.

A worker's first answer about a stream says its number (the variable ``worker``), and the record, which HAProxy writes
at the end, repeats it: ``{"ht":1,"w":"2",…``. That holds whatever balanced the stream, also after a worker has died and
its streams went to others. A record without the member is of a configuration without SPOE (``zero-wait``): anybody may
take it, and its id says who, so that a second one of the same stream is known as that. Where the member is empty no
answer came in time, or none was asked for: the record is offered to one worker after the other.

Pure: what is sent, ``send`` sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, final
from zlib import crc32

from haproxy_telemetry.records.parse import MAX_LINES
from haproxy_telemetry.records.syslog import record_on
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.workers.messages import Offer, Take

UNKNOWN: Final = 0
_WORKER: Final = re.compile(rb'\{"ht":1,"w":"([0-9]{0,3})"')
_ID: Final = re.compile(rb'"id":"([^"]*)"')


class Whose(NamedTuple):
    """``worker`` by number, ``UNKNOWN`` if it is to be found out, ``None`` for anybody's; ``lot`` decides then."""

    worker: int | None
    lot: int


def whose(line: bytes) -> Whose:
    """Say whose a line is. One that is no record is anybody's: who takes it counts it."""
    record = record_on(line)
    named = _WORKER.match(record)
    worker = None if named is None else int(named[1] or UNKNOWN)
    stream = _ID.search(record, 0, 256)
    return Whose(worker, crc32(stream[1]) if stream else 0)


Send = Callable[[int, Take | Offer], bool]


@final
class Dispatcher:
    """Takes datagrams, sends them in bursts. ``alive`` are the numbers of the workers that live, in order."""

    def __init__(self, stats: Stats, alive: Callable[[], Sequence[int]], send: Send) -> None:
        self.stats = stats
        self._alive = alive
        self._send = send
        self._bursts: dict[int, list[bytes]] = {}

    def take_records(self, datagram: bytes, now: int, *, truncated: bool = False) -> None:  # noqa: ARG002 (as Agent's)
        """Take a datagram; :meth:`tick` after a burst of them."""
        if truncated:
            self.stats.count("records_dropped", "too_long")
            return
        for line in _lines(datagram):
            self._take(line)

    def tick(self, now: int) -> None:  # noqa: ARG002 (as Agent's)
        """Send what was taken."""
        bursts, self._bursts = self._bursts, {}
        for worker, datagrams in bursts.items():
            if not self._send(worker, Take(datagrams)):
                self.stats.count("records_dropped", "worker_busy", len(datagrams))

    def refused(self, datagram: bytes, tried: int) -> None:
        """Offer it to the next one; who is the last takes it in any case."""
        self._offer(datagram, tried)
        self.tick(0)

    def _take(self, line: bytes) -> None:
        alive = self._alive()
        if not alive:
            self.stats.count("records_dropped", "no_worker")
            return
        worker, lot = whose(line)
        if worker == UNKNOWN and len(alive) > 1:
            self._offer(line, 0)
        else:
            taker = worker if worker is not None and worker in alive else alive[lot % len(alive)]
            self._bursts.setdefault(taker, []).append(line)

    def _offer(self, line: bytes, tried: int) -> None:
        alive = self._alive()
        lot = whose(line).lot
        left = [number for number in alive if not tried >> number & 1]
        if not alive:
            self.stats.count("records_dropped", "no_worker")
        elif len(left) > 1:
            worker = left[lot % len(left)]
            if not self._send(worker, Offer(line, tried)):
                self.stats.count("records_dropped", "worker_busy")
        else:
            self._bursts.setdefault(left[0] if left else alive[lot % len(alive)], []).append(line)


def _lines(datagram: bytes) -> list[bytes]:
    """HAProxy sends a line in a datagram; a relay may have joined some, of several workers' streams."""
    if b"\n" not in datagram[:-1]:
        return [datagram]
    return [line for line in datagram.split(b"\n", MAX_LINES) if line.strip(b"\r\0 ")] or [datagram]
