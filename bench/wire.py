"""CPU per frame over the wire, against the floor: each is measured in each round, one after the other.

The load generator has one core, whatever answers it another; the receiver shares the first. So no two of them compete
but for the machine's caches. What is compared runs all the time and is driven in turns: A B A B.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.agents import Bench, Standing, sampled
from bench.builds import Build, best_build
from bench.load import BATCHED, UNBATCHED, Load, Loaded, drive
from bench.plan import Plan
from bench.processes import core
from bench.results import Part, Table, ratio_of_rounds
from bench.scenarios import COMPACT, SEED, Scenario

TRANSPORTS = ("tcp", "unix")
SHARES = (1.0, 0.1)
FEW = Load(4, 1)
"""Four frames in flight, each waited for."""


@dataclass(frozen=True)
class Series:
    """All rounds of one case."""

    transport: str
    scenario: Scenario
    load: Load
    who: str
    rounds: tuple[Loaded, ...]

    @property
    def costs(self) -> list[float]:
        """Return the CPU microseconds a frame, by round."""
        return [one.agent_us_per_frame for one in self.rounds]


def measure(builds: dict[str, Build], plan: Plan) -> Part:
    """Drive everything in turns."""
    every: list[Series] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for transport in TRANSPORTS:
            with Bench(Path(name)) as bench:
                standing = dict(_stand(bench, builds, transport))
                for scenario in (SEED, COMPACT):
                    for load in (BATCHED, UNBATCHED):
                        every += _rounds(standing, transport, scenario, load, plan)
        latencies = _latencies(Path(name), builds, plan)
    p99 = {"": min(one.p99_us for one in latencies[best_build(builds).name]) / 1e3}
    return Part("wire", (*tables(every), latency_table(latencies)), figures(every) | {"ack_p99": p99})


def _latencies(folder: Path, builds: dict[str, Build], plan: Plan) -> dict[str, list[Loaded]]:
    """Drive the floor and the agents with one frame on each of four connections."""
    with Bench(folder) as bench:
        standing = {"floor": bench.start_floor(bench.address("tcp"), cores=core(1))}
        port = bench.start_receiver(cores=core(0))
        for build in builds.values():
            standing[build.name] = bench.start_agent(build, bench.address("tcp"), port, cores=core(1))
        found: dict[str, list[Loaded]] = {who: [] for who in standing}
        for _ in range(plan.rounds):
            for who, one in standing.items():
                found[who].append(drive(one, SEED.path, FEW, seconds=plan.latency_seconds, cores=core(0)))
        return found


def latency_table(found: dict[str, list[Loaded]]) -> Table:
    """Return the latencies of the round with the least p99: what else runs on the machine only adds to it."""
    best = {who: min(rounds, key=lambda one: one.p99_us) for who, rounds in found.items()}
    rows = tuple(
        (who, *(f"{value:,.0f}" for value in (one.p50_us, one.p99_us, one.p999_us, one.max_us, one.frames_per_s)))
        for who, one in best.items()
    )
    heads = ("", "p50 µs", "p99 µs", "p99.9 µs", "max µs", "frames/s")
    note = f"`{FEW.name}`, seed, TCP, all sampled, while exporting; of {len(next(iter(found.values())))} rounds the one"
    return Table("Time until the ACK, four frames in flight", heads, rows, f"{note} with the least p99.")


def _stand(bench: Bench, builds: dict[str, Build], transport: str) -> Iterator[tuple[str, Standing]]:
    there, here = core(1), core(0)
    yield "floor", bench.start_floor(bench.address(transport), cores=there)
    port = bench.start_receiver(cores=here)
    for build in builds.values():
        for share in SHARES:
            agent = bench.start_agent(
                build, bench.address(transport), port, cores=there, env=sampled(share), flags=["--admin", "off"]
            )
            yield case(build.name, share), agent


def case(build: str, share: float) -> str:
    """Return what a row is called."""
    return f"{build}, {share:.0%} sampled".replace("%", " %")


def _rounds(standing: dict[str, Standing], transport: str, scenario: Scenario, load: Load, plan: Plan) -> list[Series]:
    runs: dict[str, list[Loaded]] = {who: [] for who in standing}
    for _ in range(plan.rounds):
        for who, one in standing.items():
            runs[who].append(drive(one, scenario.path, load, seconds=plan.wire_seconds, cores=core(0)))
    return [Series(transport, scenario, load, who, tuple(rounds)) for who, rounds in runs.items()]


def tables(every: list[Series]) -> tuple[Table, ...]:
    """Return one table a transport."""
    return tuple(
        Table(
            f"Over the wire: {transport}",
            ("scenario", "load", "", "CPU µs/frame", "against the floor", "frames/s"),
            tuple(_row(one, floor_of(every, one)) for one in every if one.transport == transport),
        )
        for transport in TRANSPORTS
    )


def _row(one: Series, floor: Series) -> tuple[str, ...]:
    ratio = "1" if one is floor else f"{ratio_of_rounds(one.costs, floor.costs):.2f} ×"
    speed = median(run.frames_per_s for run in one.rounds)
    return one.scenario.name, f"`{one.load.name}`", one.who, f"{median(one.costs):.2f}", ratio, f"{speed:,.0f}"


def floor_of(every: list[Series], one: Series) -> Series:
    """Return the floor of the same rounds."""
    return find(every, one.transport, one.scenario, one.load, "floor")


def find(every: list[Series], transport: str, scenario: Scenario, load: Load, who: str) -> Series:
    """Return one series."""
    wanted = (transport, scenario, load, who)
    return next(s for s in every if (s.transport, s.scenario, s.load, s.who) == wanted)


def figures(every: list[Series]) -> dict[str, dict[str, float]]:
    """Return what the bars are held against: TCP, the scenario seed, 100 % sampled."""
    names = {one.who for one in every}
    best = case("compiled" if case("compiled", 1) in names else "interpreted", 1)
    found: dict[str, dict[str, float]] = {}
    for key, load in (("unbatched", UNBATCHED), ("batched", BATCHED)):
        ours, floor = (find(every, "tcp", SEED, load, who) for who in (best, "floor"))
        found[key] = {"": ratio_of_rounds(ours.costs, floor.costs)}
    if case("compiled", 1) in names:
        slow, fast = (find(every, "tcp", SEED, UNBATCHED, case(name, 1)) for name in ("interpreted", "compiled"))
        found["interpreted"] = {"": ratio_of_rounds(slow.costs, fast.costs)}
    return found
