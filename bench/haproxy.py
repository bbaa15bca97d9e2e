"""A real HAProxy under wrk: what a profile costs the whole, and what of that is the agent's.

wrk, HAProxy, its origin and the agent share all cores of the machine, as on a small server: whatever takes CPU takes it
from the requests. For each version of HAProxy all cases run side by side and are loaded in turns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from haproxy_versions import HaproxyVersion

from bench import wrk
from bench.agents import Bench, Standing, full_flags
from bench.builds import Build, best_build
from bench.plan import Plan
from bench.processes import Process, free_port
from bench.proxies import Proxy, start_origin, start_traced, start_untraced, versions
from bench.results import Part, Table, ratio_of_rounds

VERSIONS = ("2.6", "3.2")
UNTRACED = "untraced"
NOBODY = "nobody"
"""HAProxy does all that `zero-wait` asks of it, and no one takes the records: what no agent can be better than."""

FLOOR = "floor"
AGENT = "agent"
ASKING = ("standard", "detailed")


@dataclass(frozen=True)
class Case:
    """What runs: a profile, and who stands in the agent's place."""

    profile: str
    who: str
    proxy: Proxy
    behind: Process | None


@dataclass(frozen=True)
class Round:
    """One run of wrk, and the CPU seconds that HAProxy and the agent took for it."""

    seen: wrk.Requested
    proxy_us: float
    agent_us: float


@dataclass(frozen=True)
class Series:
    """All rounds of one case."""

    version: str
    profile: str
    who: str
    rounds: tuple[Round, ...]

    @property
    def rates(self) -> list[float]:
        """Return the requests a second, by round."""
        return [one.seen.requests_per_s for one in self.rounds]


def measure(builds: dict[str, Build], plan: Plan) -> Part:
    """Load every version that there is."""
    if reason := wrk.why_missing():
        return Part("haproxy", (), {}, (f"real HAProxy: {reason}",))
    build = best_build(builds)
    found = versions(VERSIONS)
    every: list[Series] = []
    for version in found:
        every += _measure_version(version, build, plan)
    there = {version.name for version in found}
    skipped = tuple(f"HAProxy {name}: not on this machine" for name in VERSIONS if name not in there)
    return Part("haproxy", tables(every), figures(every), skipped)


def _measure_version(version: HaproxyVersion, build: Build, plan: Plan) -> list[Series]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Bench(Path(name)) as bench:
        cases = list(_cases(bench, version, build))
        rounds: list[list[Round]] = [[] for _ in cases]
        for _ in range(plan.proxy_rounds):
            for case, done in zip(cases, rounds, strict=True):
                done.append(_load(case, plan.proxy_seconds))
    return [Series(version.name, c.profile, c.who, tuple(done)) for c, done in zip(cases, rounds, strict=True)]


def _cases(bench: Bench, version: HaproxyVersion, build: Build) -> Iterator[Case]:
    origin, receiver = start_origin(bench, version), bench.start_receiver()
    yield Case(UNTRACED, "", start_untraced(bench, version, origin), None)
    records = bench.start_unread()
    proxy = start_traced(bench, version, "zero-wait", agent=free_port(), records=records, origin=origin)
    yield Case("zero-wait", NOBODY, proxy, None)
    for profile in ("zero-wait", *ASKING):
        for who in (FLOOR, AGENT):
            records = free_port()
            standing = _stand(bench, who, build, records, receiver)
            assert isinstance(standing.address, int)
            proxy = start_traced(bench, version, profile, agent=standing.address, records=records, origin=origin)
            yield Case(profile, who, proxy, standing.process)


def _stand(bench: Bench, who: str, build: Build, records: int, receiver: int) -> Standing:
    if who == FLOOR:
        return bench.start_floor(free_port(), records=records)
    return bench.start_agent(build, free_port(), receiver, flags=full_flags(records))


def _load(case: Case, seconds: float) -> Round:
    wrk.request(case.proxy.port, 1)
    proxy, agent = case.proxy.process.cpu, case.behind.cpu if case.behind else 0.0
    seen = wrk.request(case.proxy.port, seconds)
    agent = (case.behind.cpu if case.behind else 0.0) - agent
    each = 1e6 / max(1, seen.requests)
    return Round(seen, (case.proxy.process.cpu - proxy) * each, agent * each)


def tables(every: list[Series]) -> tuple[Table, ...]:
    """Return one table a version."""
    heads = ("profile", "in the agent's place", "requests/s", "against untraced", "p50 ms", "p99 ms",
             "HAProxy CPU µs/request", "agent CPU µs/request", "bad answers")  # fmt: skip
    names = dict.fromkeys(one.version for one in every)
    return tuple(
        Table(
            f"Behind HAProxy {name}",
            heads,
            tuple(_row(one, find(every, name, UNTRACED, "")) for one in every if one.version == name),
        )
        for name in names
    )


def _row(one: Series, untraced: Series) -> tuple[str, ...]:
    def middle(values: list[float], digits: int = 1) -> str:
        return f"{median(values):,.{digits}f}"

    return (
        one.profile,
        one.who or "–",
        middle(one.rates, 0),
        f"{ratio_of_rounds(one.rates, untraced.rates):.2f} ×",
        middle([r.seen.p50_ms for r in one.rounds], 2),
        middle([r.seen.p99_ms for r in one.rounds], 2),
        middle([r.proxy_us for r in one.rounds]),
        middle([r.agent_us for r in one.rounds]) if one.who in (FLOOR, AGENT) else "–",
        str(sum(r.seen.bad for r in one.rounds)),
    )


def find(every: list[Series], version: str, profile: str, who: str) -> Series:
    """Return one series."""
    return next(s for s in every if (s.version, s.profile, s.who) == (version, profile, who))


def figures(every: list[Series]) -> dict[str, dict[str, float]]:
    """Return what the bars are held against, by version and profile."""
    asks, waits = {}, {}
    for version in dict.fromkeys(one.version for one in every):
        for profile in ASKING:
            ours, floor = (find(every, version, profile, who) for who in (AGENT, FLOOR))
            asks[f"{version} {profile}"] = ratio_of_rounds(ours.rates, floor.rates)
        ours, untraced = find(every, version, "zero-wait", AGENT), find(every, version, UNTRACED, "")
        waits[version] = ratio_of_rounds(ours.rates, untraced.rates)
    return {"proxy_asks": asks, "proxy_zero_wait": waits} if every else {}
