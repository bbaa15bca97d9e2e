"""The OTLP exporter: a queue on the event loop's side, a thread that delivers on the other.

:class:`OtlpSender` delivers encoded items of any signal; :class:`OtlpExporter` is the one for traces.

``export`` encodes (a few microseconds a span) and queues. The thread only joins bytes, compresses and posts,
all of which leave the interpreter to the event loop, and sleeps in a way that ``close`` can end.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from math import inf
from random import random
from time import monotonic, time
from typing import Final, final

from haproxy_telemetry.otlp.answer import PartialSuccess, describe, parse_partial_success
from haproxy_telemetry.otlp.batch import Batch, Batcher, BatchLimits
from haproxy_telemetry.otlp.encode import encode_span
from haproxy_telemetry.otlp.ledger import CloseReport, ExportState, Ledger
from haproxy_telemetry.otlp.protobuf import ProtobufError
from haproxy_telemetry.otlp.resource import ResourceTable
from haproxy_telemetry.otlp.retry import Decision, Delivered, GiveUp, Outcome, RetryPolicy, TryAgain
from haproxy_telemetry.otlp.settings import OtlpSettings
from haproxy_telemetry.otlp.signals import TRACES, Signal
from haproxy_telemetry.otlp.transport import Transport, open_transport
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.spans import FinishedSpan, FinishedTrace

logger = logging.getLogger("haproxy_telemetry.export")

SAY_AGAIN_S: Final = 60.0  # a receiver that refuses every other request must not fill the log
CLOSE_GRACE_S: Final = 0.2  # for the thread to write down what it was doing when its time ended


class OtlpSender:
    """Delivers what is encoded already, by OTLP: batches, tries again, counts what became of it."""

    def __init__(
        self,
        settings: OtlpSettings,
        limits: BatchLimits,
        resources: ResourceTable,
        stats: Stats,
        *,
        transport: Transport | None = None,
        retry: RetryPolicy | None = None,
        signal: Signal = TRACES,
    ) -> None:
        self._settings = settings
        self._resources = resources
        self._stats = stats
        self._signal = signal
        self._ledger = Ledger(stats, signal)
        self._transport = transport or open_transport(settings, signal)
        self._retry = retry or RetryPolicy(budget_s=settings.budget_s)
        # Shared by both sides, under the lock:
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._batcher = Batcher(limits)
        self._capacity = limits.queue_spans
        self._sleeps_until = -inf  # when the thread looks at the queue by itself
        self._close_at = inf  # the deadline, once closing
        # Shared by the thread and close(), so that a batch is counted by exactly one of them:
        self._settling = threading.Lock()  # taken before the other, where both are
        self._in_flight = 0
        self._abandoned = False  # the deadline passed with the thread in a request: its spans are written off
        # The thread's own:
        self._quiet_until = -inf  # the receiver asked for a pause
        self._last_attempt = True  # still to be had when closing
        self.target = settings.shown_url
        """Where it goes, without the query, which may hold a key."""
        self._health = Health(self.target, signal.what)
        self._deliverer = threading.Thread(target=self._run, name=f"otlp-{signal.name.lower()}", daemon=True)
        self._deliverer.start()

    # The event loop's side

    def send(self, service: bytes | None, items: list[bytes], each: int = 1) -> None:
        """Queue items of one service (``None``: the agent's own); what does not fit is counted. Never raises.

        ``each`` is for how many things one of them counts.
        """
        resource = self._resources.of(service).encoded
        with self._lock:
            closing = self._close_at != inf
            queued = not closing and self._batcher.add(resource, items, monotonic(), each)
            if queued and self._batcher.due < self._sleeps_until:
                self._sleeps_until = -inf  # once is enough
                self._wake.notify()
        if not queued:
            self._ledger.lost("shutdown" if closing else "queue_full", len(items) * each)

    def close(self, timeout_s: float) -> CloseReport:
        """Deliver what is queued, for at most ``timeout_s``; return what became of everything. Blocks."""
        with self._wake:
            self._close_at = min(self._close_at, monotonic() + timeout_s)
            self._wake.notify()
        self._deliverer.join(max(0.0, timeout_s) + CLOSE_GRACE_S)
        with self._settling, self._wake:
            stuck = self._deliverer.is_alive() and not self._abandoned
            self._abandoned = self._abandoned or stuck
            lost = self._in_flight + self._batcher.spans if stuck else 0
        if lost:
            self._ledger.lost("shutdown", lost, "a request was still under way")
        return self._ledger.report()

    def state(self) -> ExportState:
        """Return how the export stands; from any thread."""
        return self._ledger.state(self._batcher.spans, self._capacity)

    # The thread's side

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                self._deliver(batch)
            except Exception:  # a bug of ours: lose one batch, not the thread
                self._settle(0, batch.spans, "internal_error", "please report this", exc_info=True)
        self._write_off_queue()
        self._transport.close()

    def _next_batch(self) -> Batch | None:
        """Wait for a batch; ``None`` when closing and nothing is left, or no time for what is."""
        with self._wake:
            while True:
                now = monotonic()
                closing = self._close_at != inf
                if now >= self._close_at:
                    return None
                if now >= self._quiet_until:
                    batch = self._batcher.take(now, flush=closing)
                    if batch is not None:
                        self._in_flight = batch.spans
                        return batch
                    if closing:
                        return None
                self._sleep(max(self._batcher.due, self._quiet_until))

    def _sleep(self, until: float) -> None:
        """Wait with the lock given up; ends earlier when there is news. The caller looks again."""
        self._sleeps_until = until
        until = min(until, self._close_at)
        self._wake.wait(None if until == inf else max(0.0, until - monotonic()))
        self._sleeps_until = -inf

    def _write_off_queue(self) -> None:
        """After the deadline of ``close``: nothing is added any more, and ``close`` may have counted it."""
        with self._settling:
            with self._wake:
                lost = 0 if self._abandoned else self._batcher.spans
                while self._batcher.take(0.0, flush=True):
                    pass
            if lost:
                self._ledger.lost("shutdown", lost, "no time left to send them")

    def _deliver(self, batch: Batch) -> None:
        """Send one batch until it is delivered or given up."""
        body = self._transport.body(batch.groups)
        began = monotonic()
        attempt = 0
        while True:
            attempt += 1
            outcome = self._attempt(body)
            decision = self._retry.decide(
                outcome,
                attempt=attempt,
                elapsed_s=monotonic() - began,
                wall=time(),
                chance=random(),
            )
            self._health.note(outcome, decision, monotonic())
            delivered = isinstance(decision, Delivered)
            self._ledger.attempted(delivered, "" if delivered else describe(outcome))
            if isinstance(decision, Delivered):
                return self._settle_delivered(batch, decision.body)
            if isinstance(decision, GiveUp):
                self._quiet_until = monotonic() + decision.pause_s
                return self._settle_lost(batch, decision.reason, outcome)
            if not self._pause(decision):
                return self._settle_lost(batch, "shutdown", outcome)

    def _attempt(self, body: bytes) -> Outcome:
        timeout = self._settings.timeout_s
        left = self._close_at - monotonic()
        if left < (inf if timeout is None else timeout):
            timeout = max(left, 0.001)
        self._stats.count("export_requests")
        return self._transport.post(body, timeout)

    def _pause(self, decision: TryAgain) -> bool:
        """Wait before the next attempt; ``False`` if there is no time for it before the deadline of ``close``."""
        until = monotonic() + decision.delay_s
        with self._wake:
            while (now := monotonic()) < until:
                if until >= self._close_at:
                    # Our own backoff may be cut short, once, for a last attempt; a receiver's wish may not.
                    last, self._last_attempt = self._last_attempt, False
                    return last and not decision.told
                self._wake.wait(min(until, self._close_at) - now)
        return True

    def _settle_delivered(self, batch: Batch, body: bytes | None) -> None:
        rejected, message = self._read_partial_success(body)
        rejected = min(rejected, batch.spans)
        self._settle(batch.spans - rejected, rejected, "rejected", f"the receiver says {message!r}")
        if message and not rejected and self._stats.count("export_warnings") == 1:
            text = "the receiver took all %s, but says %r (from now on only counted)"
            logger.warning(text, self._signal.what, message)

    def _read_partial_success(self, body: bytes | None) -> PartialSuccess:
        if body is not None:
            with suppress(ProtobufError):
                return parse_partial_success(body)
        self._stats.count("export_answers_unreadable")  # cut, JSON, a proxy's page; but the status said success
        return PartialSuccess(0, "")

    def _settle_lost(self, batch: Batch, reason: str, outcome: Outcome) -> None:
        self._settle(0, batch.spans, reason, f"{self.target}: {describe(outcome)}")

    def _settle(self, exported: int, lost: int, reason: str, detail: str, *, exc_info: bool = False) -> None:
        """Count what became of the batch in flight, once, and not if ``close`` has already written it off."""
        with self._settling:
            if self._abandoned or not self._in_flight:
                return
            self._in_flight = 0
            if exported:
                self._ledger.exported(exported)
            if lost:
                self._ledger.lost(reason, lost, detail, exc_info=exc_info)


@final
class OtlpExporter(OtlpSender):
    """Exports traces by OTLP; an ``Exporter`` (see ``haproxy_telemetry.exporters``)."""

    def export(self, trace: FinishedTrace) -> None:
        """Encode and queue a trace; what does not fit is counted. Never blocks for long, never raises."""
        spans = self.encode(trace)
        if spans:
            self.send(trace.service, spans)

    def encode(self, trace: FinishedTrace) -> list[bytes]:
        """Return the spans of a trace as they are sent; what cannot be encoded is counted. Never raises."""
        try:
            return [encode_span(span) for span in trace.spans]
        except Exception:  # a bug of ours must not reach the request: keep the good spans, say the first
            return [encoded for span in trace.spans if (encoded := self._encode_or_count(span))]

    def _encode_or_count(self, span: FinishedSpan) -> bytes:
        try:
            return encode_span(span)
        except Exception:
            self._ledger.lost("encode_error", 1, "please report this", exc_info=True)
            return b""


@final
class Health:
    """Says once when deliveries begin to fail, and once when they work again; at most once in a minute."""

    def __init__(self, url: str, what: str) -> None:
        self._url = url
        self._what = what
        self._failing_since: float | None = None
        self._said_at = -inf

    def note(self, outcome: Outcome, decision: Decision, now: float) -> None:
        """Take in the outcome of an attempt. A final refusal is about its batch, and the ledger's to tell."""
        if isinstance(decision, Delivered):
            if self._failing_since is not None and self._said_at >= self._failing_since:
                text = "%s are delivered again to %s, after %.1f s"
                logger.info(text, self._what, self._url, now - self._failing_since)
            self._failing_since = None
        elif isinstance(decision, TryAgain) and self._failing_since is None:
            self._failing_since = now
            if now - self._said_at >= SAY_AGAIN_S:
                self._said_at = now
                text = "%s can't be delivered to %s: %s; trying again"
                logger.warning(text, self._what, self._url, describe(outcome))
