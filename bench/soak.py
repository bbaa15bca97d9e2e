"""As much as HAProxy can send, for a minute: is every span at the receiver?

Counted at both ends: what wrk got answers for, and what the receiver decoded. The agent's own words about losses are
the third account, and none of the three is believed alone.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from haproxy_versions import HaproxyVersion

from bench import receiver, wrk
from bench.agents import Bench, full_flags, totals, wait_exported
from bench.builds import Build, best_build
from bench.haproxy import VERSIONS
from bench.plan import Plan
from bench.processes import free_port
from bench.proxies import start_origin, start_traced, versions
from bench.results import Part, Table

PROFILES = ("detailed", "zero-wait")
"""The one with the most frames and spans, and the one with the most requests and nothing but records."""


PATIENCE = 20.0
"""Seconds without a new span at the receiver after which no more are expected."""


@dataclass(frozen=True)
class Soaked:
    """One minute; ``expected`` and ``received`` are spans, ``said`` the agent's counters at its end."""

    version: str
    profile: str
    requests: int
    bad: int
    seconds: float
    expected: int
    received: int
    said: dict[str, int]

    @property
    def lost(self) -> int:
        """Return the spans that are missing, by whichever account has more."""
        return max(self.expected - self.received, self.said["exported"] - self.received, self.said["lost"], 0)


def measure(builds: dict[str, Build], plan: Plan) -> Part:
    """Soak each version with each profile."""
    if reason := wrk.why_missing():
        return Part("soak", (), {}, (f"highest load: {reason}",))
    build = best_build(builds)
    every = [_soak(version, profile, build, plan) for version in versions(VERSIONS) for profile in PROFILES]
    figures = {"lost": {f"{one.version} {one.profile}": float(one.lost) for one in every}}
    return Part("soak", (table(every, plan.soak_seconds),), figures)


def _soak(version: HaproxyVersion, profile: str, build: Build, plan: Plan) -> Soaked:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Bench(Path(name)) as bench:
        port, records = bench.start_receiver(), free_port()
        agent = bench.start_agent(build, free_port(), port, flags=full_flags(records))
        assert isinstance(agent.address, int)
        origin = start_origin(bench, version)
        proxy = start_traced(bench, version, profile, agent=agent.address, records=records, origin=origin)
        tried = wrk.request_one_by_one(proxy.port, 20)
        each = wait_exported(port, tried, 3.0) // tried
        seen = wrk.request(proxy.port, plan.soak_seconds)
        expected = (tried + seen.requests) * each
        received = wait_exported(port, expected, PATIENCE)
        agent.process.stop()
        received = receiver.ask(port)["spans"]
        said = totals(agent.process.output)
    return Soaked(version.name, profile, seen.requests, seen.bad, plan.soak_seconds, expected, received, said)


def table(every: list[Soaked], seconds: float) -> Table:
    """Return what became of everything."""
    heads = (
        "HAProxy",
        "profile",
        "requests",
        "requests/s",
        "spans expected",
        "spans received",
        "lost",
        "the agent says",
    )
    rows = tuple(
        (one.version, one.profile, f"{one.requests:,}", f"{one.requests / one.seconds:,.0f}", f"{one.expected:,}",
         f"{one.received:,}", f"{one.lost:,}", told(one.said))
        for one in every
    )  # fmt: skip
    note = (
        "Requests that wrk did not wait for at its end are traced too, so more may be received than expected."
        " What the agent says is what its last log line has of drops, by reason."
    )
    return Table(f"The highest load, for {seconds:.0f} s", heads, rows, note)


def told(said: dict[str, int]) -> str:
    """Return the counters that speak of something lost or cut short; ``nothing lost`` if there is none."""
    bad = {name: value for name, value in said.items() if "dropped" in name or "incomplete" in name}
    return ", ".join(f"`{name}` {value:,}" for name, value in bad.items()) or "nothing lost"
