"""The queue between the event loop and the sender: encoded spans in, batches out. Pure; ``now`` is an argument.

A trace is taken whole or turned away whole, and stays within one batch unless it is larger than one, so that
a request that is lost never leaves half a trace behind. What is turned away is the caller's to count.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, final


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The bounds of the queue and of one batch.

    A batch goes out when it holds ``batch_spans`` or ``batch_bytes`` (before compression; collectors turn
    away bodies of some MiB), or when its first span has waited ``max_age_s``. The queue as a whole holds
    ``queue_spans`` and ``queue_bytes``.
    """

    batch_spans: int = 1024  # the SDKs have 512: a POST costs as much CPU as compressing a thousand spans
    batch_bytes: int = 2 << 20
    max_age_s: float = 1.0
    queue_spans: int = 131_072  # a second of the most that one agent makes; some 30 MB, if nobody takes them
    queue_bytes: int = 64 << 20


class Batch(NamedTuple):
    """One request's worth: groups of (encoded resource, encoded spans), with their totals."""

    groups: tuple[tuple[bytes, list[bytes]], ...]
    spans: int
    size: int


@final
class Batcher:
    """Collects spans by resource. ``spans`` and ``size`` say how much waits."""

    __slots__ = ("_groups", "_limits", "_open_since", "_open_size", "_open_spans", "_ready", "size", "spans")

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._ready: deque[Batch] = deque()
        self._groups: dict[bytes, list[bytes]] = {}
        self._open_spans = 0
        self._open_size = 0
        self._open_since = inf
        self.spans = 0
        self.size = 0

    @property
    def due(self) -> float:
        """When the next batch is to be taken: -inf for at once, +inf while there is nothing."""
        return -inf if self._ready else self._open_since + self._limits.max_age_s

    def add(self, resource: bytes, spans: list[bytes], now: float, each: int = 1) -> bool:
        """Queue the spans of one trace; ``False`` if they do not fit, and then none of them is queued.

        ``each`` is for how many things one of ``spans`` counts: a metric, for its points.
        """
        size = 0
        for span in spans:
            size += len(span)
        limits = self._limits
        number = len(spans) * each
        if self.spans + number > limits.queue_spans or self.size + size > limits.queue_bytes:
            return False
        self.spans += number
        self.size += size
        if not self._fits(number, size):
            self._close_batch()
        if self._fits(number, size):
            self._put(resource, spans, number, size, now)
        else:
            for span in spans:  # larger than a batch by itself: spread it
                self._put(resource, [span], each, len(span), now)
        return True

    def take(self, now: float, *, flush: bool = False) -> Batch | None:
        """Return the next batch that is full or old enough; with ``flush`` whatever there is."""
        if not self._ready and (flush or now >= self.due):
            self._close_batch()
        if not self._ready:
            return None
        batch = self._ready.popleft()
        self.spans -= batch.spans
        self.size -= batch.size
        return batch

    def _fits(self, spans: int, size: int) -> bool:
        limits = self._limits
        return self._open_spans + spans <= limits.batch_spans and self._open_size + size <= limits.batch_bytes

    def _put(self, resource: bytes, spans: list[bytes], number: int, size: int, now: float) -> None:
        if self._open_spans and not self._fits(number, size):
            self._close_batch()
        if not self._open_spans:
            self._open_since = now
        self._groups.setdefault(resource, []).extend(spans)
        self._open_spans += number
        self._open_size += size
        if self._open_spans >= self._limits.batch_spans or self._open_size >= self._limits.batch_bytes:
            self._close_batch()

    def _close_batch(self) -> None:
        if not self._open_spans:
            return
        self._ready.append(Batch(tuple(self._groups.items()), self._open_spans, self._open_size))
        self._groups = {}
        self._open_spans = self._open_size = 0
        self._open_since = inf
