"""How a worker is, for ``/status``; and the pictures of all of them as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from haproxy_telemetry.engines import Engine, Engines
from haproxy_telemetry.faults import Fault, Faults
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.seen import FIELDS as seen_fields  # noqa: N811 (they are names)
from haproxy_telemetry.seen import Seen
from haproxy_telemetry.stats import Stats

if TYPE_CHECKING:
    from haproxy_telemetry.admin.pages import Sources

MOST_TRACES = 10_000
"""Whose age is told, as on the page of an agent that is alone."""


class Picture(NamedTuple):
    """What ``admin/status.py`` makes its page of."""

    engines: Mapping[bytes, Engine]
    faults: tuple[Fault, ...]
    seen: Seen
    began: list[int]
    live: int
    connections: int
    export: ExportState
    target: str


def picture_of(sources: Sources) -> Picture:
    """Return how this process is; from any thread."""
    inside = sources.inside
    return Picture(
        engines=inside.engines.known.copy(),
        faults=inside.faults.last(),
        seen=inside.seen,
        began=inside.began(MOST_TRACES),
        live=inside.live(),
        connections=inside.connections(),
        export=sources.export(),
        target=inside.target,
    )


def together(pictures: Sequence[Picture], stats: Stats) -> tuple[Picture, Engines, Faults]:
    """Return all of them as one; the engines count into ``stats``."""
    engines, faults = Engines(stats), Faults()
    for picture in pictures:
        for name, engine in picture.engines.items():
            known = engines.known.get(name)
            engines.known[name] = engine if known is None else _one_engine(known, engine)
    for fault in sorted((fault for picture in pictures for fault in picture.faults), key=lambda fault: fault.at_ns):
        faults.add(fault)
    picture = Picture(
        engines=engines.known,
        faults=faults.last(),
        seen=_one_seen([picture.seen for picture in pictures]),
        began=sorted(start for picture in pictures for start in picture.began)[:MOST_TRACES],
        live=sum(picture.live for picture in pictures),
        connections=sum(picture.connections for picture in pictures),
        export=one_export([picture.export for picture in pictures]),
        target=next((picture.target for picture in pictures), ""),
    )
    return picture, engines, faults


def _one_engine(one: Engine, other: Engine) -> Engine:
    """From 3.1 on all threads of a filter are one engine, whose streams go to several workers."""
    later = max(one, other, key=lambda engine: engine.last_ns)
    joined = Engine(later.peer, later.about, min(one.first_ns, other.first_ns))
    joined.last_ns = later.last_ns
    joined.connections = one.connections + other.connections
    joined.accepted = one.accepted + other.accepted
    joined.frames = one.frames + other.frames
    for engine in (one, other):
        for status, times in engine.errors.items():
            joined.errors[status] = joined.errors.get(status, 0) + times
    return joined


def _one_seen(all_seen: Sequence[Seen]) -> Seen:
    """Times are the last, numbers the sum."""
    joined = Seen()
    for seen in all_seen:
        for name in seen_fields:
            mine, theirs = getattr(joined, name), getattr(seen, name)
            setattr(joined, name, max(mine, theirs) if name.endswith("_ns") else mine + theirs)
    return joined


def one_export(states: Sequence[ExportState]) -> ExportState:
    """Return how the exports stand together; one that fails is a failure of all."""

    def known(values: Sequence[float | None]) -> list[float]:
        return [value for value in values if value is not None]

    failing = [state for state in states if state.failing_since is not None]
    return ExportState(
        queue=sum(state.queue for state in states),
        last_success=max(known([state.last_success for state in states]), default=None),
        failing_since=min(known([state.failing_since for state in failing]), default=None),
        last_failure=max(known([state.last_failure for state in states]), default=None),
        capacity=sum(state.capacity for state in states),
        last_error=next((state.last_error for state in (*failing, *states) if state.last_error), ""),
    )
