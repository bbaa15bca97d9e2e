"""The recorder: the event loop hands bytes over, a thread makes lines of them and writes.

Nothing here waits on the event loop's side: past the bound of the queue bytes are lost and counted. A connection of
which some were lost is recorded no further, since frames could not be told apart any more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, final

from haproxy_telemetry.recorder.capture import (
    CLOSE,
    FROM_AGENT,
    FROM_HAPROXY,
    OPEN,
    begin_line,
    event_line,
    frame_line,
    record_line,
    rest_line,
)
from haproxy_telemetry.recorder.cutting import LENGTH_SIZE, Cutter
from haproxy_telemetry.recorder.files import Ring
from haproxy_telemetry.recorder.pieces import Pieces
from haproxy_telemetry.recorder.redact import Redactor
from haproxy_telemetry.stats import Stats

_LOG: Final = logging.getLogger("haproxy_telemetry.recorder")

QUEUE_BYTES: Final = 16 << 20
"""A tenth of a second at 100,000 frames a second, and some seconds of a slow disk at usual rates."""

QUEUE_ITEMS: Final = 65_536

OVERHEAD: Final = 200
"""Bytes that Python needs for an item, roughly."""

CHUNK: Final = 16_384
"""Bytes that are written at once; less than half of the smallest ring."""

SLICE: Final = 1000
"""Items after which room is made in the queue."""

LINES_AT_ONCE: Final = 16
"""About 0.2 ms of Python, 0.5 ms with placeholders: so long an ACK may wait for this thread."""

GATHER_S: Final = 0.02
"""Seconds between two looks at the queue; a fraction of :data:`QUEUE_BYTES` comes in that time."""

REST_S: Final = 0.00005
"""With what the kernel adds a tenth of a millisecond."""

AGAIN_S: Final = 10.0
"""Seconds without recording after a write that failed: a full disk does not get better in a moment."""


class _Item(NamedTuple):
    """Something that happened: a direction of :mod:`.capture`, the connection (0: none), the bytes."""

    now: int
    what: str
    connection: int
    data: bytes


@final
class Recorder:
    """Records; all methods but :meth:`close` are for the event loop, and quick."""

    def __init__(
        self,
        ring: Ring,
        stats: Stats,
        *,
        version: str,
        epoch_ns: int,
        run: str,
        largest_frame: int,
        redactor: Redactor | None = None,
        bug: Callable[[str, BaseException], None] = lambda where, error: None,  # noqa: ARG005 (nobody asks)
    ) -> None:
        """``run`` tells the connections of this run from those of the one before, ``largest_frame`` bounds one."""
        self._ring = ring
        self._stats = stats
        self._version = version
        self._epoch_ns = epoch_ns
        self._run_name = run
        self._largest = largest_frame
        self._redactor = redactor
        self._bug = bug
        self._number = 0
        self._wake = threading.Condition(threading.Lock())
        self._queue: deque[_Item] = deque()
        self._queued = 0
        self._idle = False
        self._ending = threading.Event()
        self._broken: set[int] = set()  # connections of which something was lost; the event loop's
        self._lines = _Lines(self)
        self._quiet_until = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    # The event loop's side

    def opened(self, now: int) -> int:
        """Note that a connection was opened; return its number."""
        self._number += 1
        self._put(_Item(now, OPEN, self._number, b""))
        return self._number

    def read(self, connection: int, data: bytes, answer: bytes, now: int) -> None:
        """Note what HAProxy sent, and what it is answered."""
        if connection in self._broken:
            self._stats.count("recorder_dropped", "queue_full")
        elif not self._put(_Item(now, FROM_HAPROXY, connection, data)) or (
            answer and not self._put(_Item(now, FROM_AGENT, connection, answer))
        ):
            self._broken.add(connection)

    def closed(self, connection: int, now: int) -> None:
        """Note that a connection is gone."""
        self._broken.discard(connection)
        self._put(_Item(now, CLOSE, connection, b""), always=True)

    def record(self, datagram: bytes, now: int) -> None:
        """Note a datagram of HAProxy's log."""
        self._put(_Item(now, "record", 0, datagram))

    def _put(self, item: _Item, *, always: bool = False) -> bool:
        """Queue it; a connection's end always finds room, since there are no more of them than connections."""
        size = len(item.data) + OVERHEAD
        with self._wake:
            if not always and (self._queued + size > QUEUE_BYTES or len(self._queue) >= QUEUE_ITEMS):
                first = self._stats.count("recorder_dropped", "queue_full") == 1
            else:
                self._queue.append(item)
                self._queued += size
                if self._idle:
                    self._wake.notify()
                return True
        if first:
            _LOG.warning("the recorder cannot write as fast as frames come; what is lost is counted from now on")
        return False

    def close(self, seconds: float) -> None:
        """Write what is queued, for so long at most."""
        self._ending.set()
        with self._wake:
            self._wake.notify()
        self._thread.join(seconds)

    # The thread's side

    def _run(self) -> None:
        self._write(self.begin(0))
        while items := self._next():
            while items:
                some = [items.popleft() for _ in range(min(len(items), SLICE))]
                try:
                    self._take(some)
                except Exception as error:  # a bug of ours: lose some lines, not the thread
                    self._stats.count("recorder_dropped", "internal_error", len(some))
                    self._bug("recorder", error)
                done = sum(len(item.data) + OVERHEAD for item in some)
                with self._wake:
                    self._queued -= done
        self._ring.close()

    def _next(self) -> deque[_Item]:
        """Take all that is queued at once: the event loop waits for the lock no longer than that.

        What comes within a moment is gathered: to be woken for each read doubled what an ACK waited for.
        """
        with self._wake:
            while not self._queue and not self._ending.is_set():
                self._idle = True
                self._wake.wait()
                self._idle = False
        self._ending.wait(GATHER_S)
        with self._wake:
            items, self._queue = self._queue, deque()
            return items

    def _take(self, items: list[_Item]) -> None:
        """Write what items make, in chunks, so that the ring is no larger than it may be."""
        chunk, size, unrested = [], 0, 0
        for item in items:
            for line in self._lines.of(item):
                chunk.append(line)
                size += len(line)
                unrested += 1
                if unrested >= LINES_AT_ONCE:
                    unrested = 0
                    self._rest()
            if size >= CHUNK or item is items[-1]:
                self._write(b"".join(chunk), max(1, len(chunk)), item.now)
                chunk, size = [], 0

    def _rest(self) -> None:
        """Let the event loop have Python's lock, for which it would wait 5 ms; at the end nobody waits for it."""
        if not self._ending.is_set():
            time.sleep(REST_S)

    def _write(self, lines: bytes, items: int = 0, now: int = 0) -> None:
        if now < self._quiet_until:
            self._stats.count("recorder_dropped", "write_failed", items)
            return
        try:
            if self._ring.full:
                self._ring.turn()
                self._ring.write(self.begin(now - self._epoch_ns))
            self._ring.write(lines)
        except OSError as error:
            if self._stats.count("recorder_dropped", "write_failed", max(1, items)) == max(1, items):
                _LOG.warning("the recording cannot be written: %s (from now on only counted)", error.strerror or error)
            self._quiet_until = now + int(AGAIN_S * 1e9)

    def begin(self, offset_ns: int) -> bytes:
        """Return the first line of a file."""
        return begin_line(offset_ns, self._version, self._epoch_ns, redacted=self._redactor is not None)

    def lines_of(self) -> tuple[str, int, int, Redactor | None]:
        """Return what lines are made with: the run's name, its beginning, the largest frame, the redactor."""
        return self._run_name, self._epoch_ns, self._largest, self._redactor


class _Connection:
    """Both directions of a connection."""

    def __init__(self, largest: int) -> None:
        self.directions = {FROM_HAPROXY: Cutter(largest), FROM_AGENT: Cutter(largest)}
        self.pieces = Pieces()


@final
class _Lines:
    """Items become lines; the thread's own."""

    def __init__(self, recorder: Recorder) -> None:
        self._run, self._epoch_ns, self._largest, self._redactor = recorder.lines_of()
        self._connections: dict[int, _Connection] = {}

    def of(self, item: _Item) -> Iterator[bytes]:
        """Make the lines of an item, one after the other; a frame that is not whole yet makes none."""
        offset = item.now - self._epoch_ns
        if item.what == "record":
            yield record_line(offset, self._redactor.record(item.data) if self._redactor else item.data)
            return
        name = f"{self._run}-{item.connection}"
        if item.what == OPEN:
            self._connections[item.connection] = _Connection(self._largest)
            yield event_line(offset, name, OPEN)
        elif (connection := self._connections.get(item.connection)) is None:
            return
        elif item.what == CLOSE:
            del self._connections[item.connection]
            yield from self._rests(connection, offset, name)
            yield event_line(offset, name, CLOSE)
        else:
            for frame in connection.directions[item.what].feed(item.data):
                for then, whole in self._shown(connection, offset, frame):
                    yield frame_line(then, name, item.what, whole)

    def _rests(self, connection: _Connection, offset: int, name: str) -> list[bytes]:
        """What never became a frame is what a fault is about, or another protocol; with placeholders only its head."""
        lines = []
        for direction, cutter in connection.directions.items():
            rest = cutter.rest()
            if rest and self._redactor is not None:
                rest = rest[:LENGTH_SIZE].ljust(len(rest), b"?")
            if rest:
                lines.append(rest_line(offset, name, direction, rest))
        return lines

    def _shown(self, connection: _Connection, offset: int, frame: bytes) -> list[tuple[int, bytes]]:
        """Return frames with when they came; pieces wait for each other where values are to become placeholders."""
        if self._redactor is None:
            return [(offset, frame)]
        return connection.pieces.take(offset, frame, self._redactor)
