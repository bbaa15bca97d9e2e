"""``/status``: how the agent is, as one JSON object; docs/status.md has every field. Pure: the time comes in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from haproxy_telemetry.admin.chain import Facts, Link, answer, chain
from haproxy_telemetry.engines import Engine, Engines
from haproxy_telemetry.faults import Fault, Faults
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.own import catalog
from haproxy_telemetry.seen import Seen
from haproxy_telemetry.spop.describe import describe_frame
from haproxy_telemetry.stats import Stats

MOST_HAPROXIES: Final = 100
"""Engines that are told, those heard of last; the page is made in one go, and up to 3.0 there is one a thread."""

MOST_TRACES: Final = 10_000
"""Live traces whose age is looked at: a millisecond of the interpreter's time."""

AGES_S: Final = (0.1, 1.0, 10.0, 60.0, 300.0)
"""Upper bounds: a request, a slow one, a long one, a download, and what ``trace.ttl`` ends."""

_SHOWN_ID: Final = 128


class Inside(NamedTuple):
    """Where the values come from. ``started`` is since the epoch, ``now`` the clock of the agent."""

    version: str
    started: float
    stats: Stats
    engines: Engines
    faults: Faults
    seen: Seen
    began: Callable[[int], list[int]]
    live: Callable[[], int]
    connections: Callable[[], int]
    now: Callable[[], int]
    spop: Callable[[], list[str]]
    records: Callable[[], list[str]]
    target: str


class Listening(msgspec.Struct, frozen=True):
    """The addresses."""

    spop: list[str]
    records: list[str]


class HAProxy(msgspec.Struct, frozen=True):
    """An engine: a SPOE filter of a HAProxy process, up to 3.0 one for each thread. What it says is escaped and cut."""

    engine_id: str
    peer: str
    version: str
    spop_versions: list[str]
    capabilities: list[str]
    max_frame_size: int
    connections: int
    connections_total: int
    frames: int
    errors: dict[str, int]
    first: float
    last: float


class Age(msgspec.Struct, frozen=True):
    """How many traces are so old, and older than the bound before; ``up_to_s`` is null for the oldest."""

    up_to_s: float | None
    traces: int


class LiveTraces(msgspec.Struct, frozen=True):
    """Traces that have not ended. Past 10,000 the ages are those of the ones longest without an event."""

    count: int
    ages: list[Age]


class Export(msgspec.Struct, frozen=True):
    """The way out. ``failing_s``: for so long every attempt has failed; null if the last one did not."""

    target: str
    queue: int
    exported: int
    lost: int
    last_success: float | None
    failing_s: float | None
    last_error: str


class Counter(msgspec.Struct, frozen=True):
    """A counter that is not 0. ``drop``: it counts what was lost or turned away."""

    name: str
    reason: str
    count: int
    drop: bool
    what: str


class ProtocolError(msgspec.Struct, frozen=True):
    """A fault, with the frame in words as far as it was kept; ``frame_size`` is its size in bytes."""

    time: float
    peer: str
    engine_id: str
    status: str
    error: str
    times: int
    frame: str
    frame_size: int


class Status(msgspec.Struct, frozen=True):
    """The whole page. Times are seconds since the epoch."""

    version: str
    now: float
    started: float
    listening: Listening
    connections: int
    haproxies: list[HAProxy]
    haproxies_not_listed: int
    live_traces: LiveTraces
    export: Export
    counters: list[Counter]
    protocol_errors: list[ProtocolError]
    chain: list[Link]
    answer: str


def status_of(inside: Inside, export: ExportState, monotonic: float) -> Status:
    """Return how the agent is; ``monotonic`` is the clock of ``ExportState``."""
    counts, now = inside.stats.snapshot(), inside.now()
    engines = sorted(inside.engines.known.copy().items(), key=lambda pair: pair[1].last_ns, reverse=True)
    began = inside.began(MOST_TRACES)
    faults = inside.faults.last()
    facts = Facts(
        counts=counts,
        seen=inside.seen,
        export=export,
        live=inside.live(),
        oldest=max(0.0, (now - min(began)) / 1e9) if began else 0.0,
        now=monotonic,
        spop=", ".join(inside.spop()),
        records=", ".join(inside.records()),
        target=inside.target,
        last_fault=faults[0].sentence if faults else "",
    )
    links = chain(facts)
    return Status(
        version=inside.version,
        now=now / 1e9,
        started=inside.started,
        listening=Listening(list(inside.spop()), list(inside.records())),
        connections=inside.connections(),
        haproxies=[_haproxy(name, engine) for name, engine in engines[:MOST_HAPROXIES]],
        haproxies_not_listed=len(engines[MOST_HAPROXIES:]),
        live_traces=LiveTraces(facts.live, _ages(began, now)),
        export=_export(inside.target, export, facts, monotonic),
        counters=_counters(facts),
        protocol_errors=[_protocol_error(fault) for fault in faults],
        chain=links,
        answer=answer(links),
    )


def _haproxy(name: bytes, engine: Engine) -> HAProxy:
    about = engine.about
    return HAProxy(
        engine_id=_shown(name),
        peer=engine.peer,
        version=version_by(about.capabilities),
        spop_versions=[_shown(version) for version in about.versions],
        capabilities=[_shown(capability) for capability in about.capabilities],
        max_frame_size=about.max_frame_size,
        connections=engine.connections,
        connections_total=engine.accepted,
        frames=engine.frames,
        errors=engine.errors.copy(),
        first=engine.first_ns / 1e9,
        last=engine.last_ns / 1e9,
    )


def version_by(capabilities: tuple[bytes, ...]) -> str:
    """Return which HAProxies announce these: ``async`` went away with the new SPOE of 3.1 (SPOE.txt 3.2.1)."""
    return "3.0 or earlier" if b"async" in capabilities else "3.1 or later"


def _ages(began: list[int], now: int) -> list[Age]:
    counts = [0] * (len(AGES_S) + 1)
    for start in began:
        counts[bisect_left(AGES_S, (now - start) / 1e9)] += 1
    return [Age(bound, count) for bound, count in zip((*AGES_S, None), counts, strict=True)]


def _export(target: str, export: ExportState, facts: Facts, monotonic: float) -> Export:
    failing = export.failing_since
    return Export(
        target=target,
        queue=export.queue,
        exported=facts.total("spans_exported"),
        lost=facts.total("spans_dropped"),
        last_success=export.last_success,
        failing_s=None if failing is None else max(0.0, monotonic - failing),
        last_error=export.last_error,
    )


def _counters(facts: Facts) -> list[Counter]:
    meanings = {catalog.stat_of(metric): metric.description.decode().removesuffix(".") for metric in catalog.COUNTERS}
    return [
        Counter(what, reason, count, is_drop(what), meanings.get(what, ""))
        for (what, reason), count in sorted(facts.counts.items())
    ]


def is_drop(what: str) -> bool:
    """Return whether a counter counts what was lost or turned away."""
    return what.endswith(("_dropped", "_refused", "_ignored", "_skipped", "_unlisted"))


def _protocol_error(fault: Fault) -> ProtocolError:
    words = describe_frame(fault.frame) if fault.frame and fault.status != "not_spop" else ""
    if len(fault.frame) < fault.size:
        words += f"\n  … the first {len(fault.frame)} of {fault.size} bytes"
    return ProtocolError(
        time=fault.at_ns / 1e9,
        peer=fault.peer,
        engine_id=_shown(fault.engine),
        status=fault.status,
        error=fault.sentence,
        times=fault.times,
        frame=words,
        frame_size=fault.size,
    )


def _shown(text: bytes) -> str:
    """Return what a peer says: escaped, and cut."""
    shown = "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in text[:_SHOWN_ID])
    return shown + ("…" if len(text) > _SHOWN_ID else "")
