"""What the agent takes to be there: its start; its memory idle, for live traces, after an hour's worth of traffic."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from bench.agents import Bench, exporting, full_env, full_flags
from bench.builds import Build, best_build
from bench.load import BATCHED, Load, drive
from bench.plan import Plan
from bench.processes import LOOPBACK, free_port
from bench.results import Part, Table
from bench.scenarios import DETAILED, SEED, parse_frames

SETTLE = 3.0
"""Seconds after the start until idle memory is read: longer than anything that happens once."""

HOLD = {
    "HAPROXY_TELEMETRY_TRACE_MAX_TRACES": "1000000",
    "HAPROXY_TELEMETRY_TRACE_TTL": "3600",
    "HAPROXY_TELEMETRY_TRACE_MAX_BYTES": str(4 << 30),
}
"""Bounds that are out of the way: what a live trace takes is asked, not when one is let go."""


def measure(builds: dict[str, Build], plan: Plan) -> Part:
    """Measure one after the other."""
    build = best_build(builds)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        seconds = _start_times(folder, build, plan)
        idle = _idle(folder, build)
        live = _live(folder, build, plan)
        hour = _hour(folder, build, plan)
    (few, at_few), (many, at_many) = live
    each = (at_many - at_few) / (many - few)
    rows = [
        ("from the start to listening, all features", f"{median(seconds):.3f} s"),
        ("idle, all features", _mb(idle)),
        *((f"{number:,} live `detailed` traces", _mb(rss)) for number, rss in live),
        ("one live `detailed` trace", f"{each:,.0f} bytes"),
        *((f"after {frames:,} frames (`seed`), exported", _mb(rss)) for frames, rss in hour),
    ]
    note = (
        f"Start: median of {plan.starts}. One live trace: the difference between {few:,} and {many:,} of them,"
        f" divided; HAProxy tells of one in {bytes_on_the_wire():,} bytes. All features: records, `/metrics`, and"
        " traces, metrics and logs by OTLP."
    )
    figures = {"start": {"": median(seconds)}, "idle_rss": {"": idle / 1e6}, "live_trace": {"": each}}
    return Part("memory", (Table("Memory, and the start", ("", ""), tuple(rows), note),), figures)


def bytes_on_the_wire() -> int:
    """Return the bytes of payload that tell of one detailed trace."""
    frames = parse_frames(DETAILED.path.read_text())
    return sum(map(len, frames.filled(frames.values)))


def _mb(value: int) -> str:
    return f"{value / 1e6:,.1f} MB"


def _start_times(folder: Path, build: Build, plan: Plan) -> list[float]:
    seconds = []
    for _ in range(plan.starts):
        with Bench(folder) as bench:
            port, records = free_port(), free_port()
            command = build.command("serve", "--listen", f"{LOOPBACK}:{port}", *full_flags(records))
            began = time.monotonic()
            agent = bench.start("agent", command, env=build.env | exporting(1) | full_env())
            seconds.append(agent.wait_listening(port) - began)
    return seconds


def _idle(folder: Path, build: Build) -> int:
    with Bench(folder) as bench:
        receiver = bench.start_receiver()
        agent = bench.start_agent(build, free_port(), receiver, env=full_env(), flags=full_flags(free_port()))
        time.sleep(SETTLE)
        return agent.process.rss


def _live(folder: Path, build: Build, plan: Plan) -> tuple[tuple[int, int], tuple[int, int]]:
    with Bench(folder) as bench:
        receiver = bench.start_receiver()
        agent = bench.start_agent(build, free_port(), receiver, env=HOLD, flags=["--admin", "off"])
        few, many = plan.live_traces
        drive(agent, DETAILED.path, Load(4, 8), transactions=few)
        at_few = agent.process.rss
        drive(agent, DETAILED.path, Load(4, 8), transactions=many - few)
        at_many = agent.process.rss
        agent.process.kill()  # what it would do with so many unfinished traces is not the question
    return (few, at_few), (many, at_many)


def _hour(folder: Path, build: Build, plan: Plan) -> list[tuple[int, int]]:
    """Return the memory after a tenth, a half and all of the traffic."""
    frames_each = len(parse_frames(SEED.path.read_text()).payloads)
    found, done = [], 0
    with Bench(folder) as bench:
        receiver = bench.start_receiver()
        agent = bench.start_agent(build, free_port(), receiver, env=full_env(), flags=full_flags(free_port()))
        for share in (0.1, 0.4, 0.5):
            transactions = int(plan.hour_frames * share / frames_each)
            done += drive(agent, SEED.path, BATCHED, transactions=transactions).frames
            found.append((done, agent.process.rss))
    return found
