"""How long is measured: whole, or quick to see whether all works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Seconds and numbers of one run of the bench."""

    rounds: int
    wire_seconds: float
    latency_seconds: float
    core_transactions: int
    core_repeats: int
    counted_transactions: int
    proxy_rounds: int
    proxy_seconds: float
    live_traces: tuple[int, int]
    hour_frames: int
    soak_seconds: float
    starts: int


FULL = Plan(
    rounds=5,
    wire_seconds=1.5,
    latency_seconds=5.0,
    core_transactions=2000,
    core_repeats=7,
    counted_transactions=600,
    proxy_rounds=3,
    proxy_seconds=5.0,
    live_traces=(10_000, 100_000),
    hour_frames=10_000_000,
    soak_seconds=60.0,
    starts=9,
)

QUICK = Plan(
    rounds=2,
    wire_seconds=0.3,
    latency_seconds=1.0,
    core_transactions=400,
    core_repeats=3,
    counted_transactions=0,
    proxy_rounds=1,
    proxy_seconds=1.0,
    live_traces=(1_000, 10_000),
    hour_frames=500_000,
    soak_seconds=5.0,
    starts=3,
)
