"""Standard error that never makes the agent wait.

A log line is written by the thread that serves HAProxy. If nobody reads the pipe (a supervisor that hangs, a
terminal on Ctrl-S), an ordinary write would block it, and with it every request. So a line is written where
there is room, and dropped and counted where there is none.
"""

from __future__ import annotations

import os
import select
from typing import Final, final

from haproxy_telemetry.stats import Stats

ROOM: Final = select.PIPE_BUF
"""A descriptor that polls as writable takes this many bytes without blocking: POSIX says so of pipes."""


@final
class StderrStream:
    """What ``logging`` writes to: ``patience`` is how many milliseconds a write may wait for room."""

    def __init__(self, stats: Stats, fd: int = 2) -> None:
        self.patience = 0
        self._stats = stats
        self._fd = fd
        self._cut = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, text: str) -> None:
        """Write one record, or count it as dropped. Never raises and never blocks."""
        data = text.encode("utf-8", "backslashreplace")
        if self._cut:
            data = b"\n" + data
        for start in range(0, len(data), ROOM):
            if not self._write(data[start : start + ROOM]):
                self._cut = self._cut or start > 0
                self._stats.count("log_lines_dropped")
                return
        self._cut = False

    def _write(self, data: bytes) -> bool:
        try:
            return bool(self._poll.poll(self.patience)) and os.write(self._fd, data) == len(data)
        except OSError:  # nobody is there to read it
            return False


def hold_standard_descriptors() -> None:
    """Put /dev/null where descriptor 0, 1 or 2 is closed.

    Otherwise the next file or socket gets the number, and what is written to "standard error" goes into it.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
