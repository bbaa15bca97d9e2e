"""The core in a loop, each build in a process of its own: CPU time a frame, and instructions where they can be counted.

Instructions are the same from run to run where times are not, so they show a change of a few percent. They are counted
by the processor (`perf stat`) where the machine lets it, else by valgrind, which needs no such leave and takes fifty
times as long: by the difference of three rounds and one, so that neither the start of Python nor the making of the
frames is in it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.builds import Build
from bench.native import ROOT
from bench.plan import Plan
from bench.processes import clean_environment, core, run
from bench.results import Part, Table
from bench.scenarios import COMPACT, RECORDED, SEED

LOOP = ROOT / "bench" / "core_loop.py"
FRAMES = (SEED.name, COMPACT.name)
REQUESTS = tuple(scenario.name for scenario in RECORDED)
SCENARIOS = (*FRAMES, *REQUESTS)
SHARES = (1.0, 0.1, 0.0)
VALGRIND_PATIENCE = 600.0


@dataclass(frozen=True)
class Looped:
    """One line of core_loop.py: ``us`` of CPU a frame, or a request where it ends by a record; ``number`` of them."""

    build: str
    scenario: str
    sampled: float
    number: int
    us: float


def measure(builds: dict[str, Build], plan: Plan) -> Part:
    """Run the loop with each build, and count the instructions of the sampled one."""
    looped = [one for build in builds.values() for one in _loop(build, plan)]
    count, by = counter() if plan.counted_transactions else (None, "not counted in a quick run")
    counted = {
        (build.name, scenario): _instructions(build, scenario, plan, count)
        for build in builds.values()
        for scenario in SCENARIOS
        if count is not None
    }
    skipped = () if count is not None else (f"instructions: {by}",)
    tables = (
        table("The core alone: bytes → ACK and OTLP", FRAMES, "frame", looped, counted, by),
        table(
            "The core alone: a request with its record → ACK, OTLP and metrics",
            REQUESTS,
            "request",
            looped,
            counted,
            by,
        ),
    )
    return Part("core", tables, figures(looped), skipped)


def _loop(build: Build, plan: Plan) -> list[Looped]:
    command: list[str | Path] = [sys.executable, LOOP]
    command += ["--transactions", str(plan.core_transactions), "--repeats", str(plan.core_repeats)]
    command += [flag for share in SHARES for flag in ("--sampled", str(share))]
    command += [flag for scenario in SCENARIOS for flag in ("--scenario", scenario)]
    text = run(command, cores=core(1), env=_env(build), patience=300)
    return parse_loop(build.name, text)


def parse_loop(build: str, text: str) -> list[Looped]:
    """Read the lines of core_loop.py."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [Looped(build, one["scenario"], one["sampled"], one["records"] or one["frames"], one["us"]) for one in lines]


def _env(build: Build) -> dict[str, str]:
    return {"PYTHONPATH": f"{build.folder}:{ROOT}", "PYTHONHASHSEED": "0"}


Counter = Callable[[list[str], dict[str, str]], int]


def counter() -> tuple[Counter | None, str]:
    """Return what counts the instructions of a command, and its name; or why there is none."""
    if shutil.which("perf") and (_perf(["true"], {}) or 0) > 0:
        return _perf, "`perf stat`"
    if shutil.which("valgrind"):
        return _callgrind, "`valgrind --tool=callgrind`"
    return None, "neither `perf stat -e instructions` (not on this machine) nor valgrind"


def _perf(command: list[str], env: dict[str, str]) -> int:
    done = subprocess.run(
        ["perf", "stat", "-x,", "-e", "instructions:u", *command],
        env=clean_environment() | env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"^(\d+),[^,]*,instructions", done.stderr, re.MULTILINE)
    return int(found[1]) if found else 0


def _callgrind(command: list[str], env: dict[str, str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", *command],
            env=clean_environment() | env, capture_output=True, text=True, check=True, timeout=VALGRIND_PATIENCE,
        )  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def _instructions(build: Build, scenario: str, plan: Plan, count: Counter) -> float:
    """Return the instructions a frame or request: the difference of three runs and one over the same, by their number.

    So neither the start of Python nor the making of the frames is in it; that a new agent learns them is.
    """

    def one(repeats: int) -> tuple[int, int]:
        command = [sys.executable, str(LOOP), "--scenario", scenario, "--sampled", "1", "--repeats", str(repeats)]
        command += ["--transactions", str(plan.counted_transactions)]
        number = parse_loop("", run(command, env=_env(build)))[0].number
        return count(command, _env(build)), number

    (once, number), (thrice, _) = one(1), one(3)
    return (thrice - once) / (2 * number)


def table(
    title: str,
    scenarios: tuple[str, ...],
    unit: str,
    looped: list[Looped],
    counted: dict[tuple[str, str], float],
    by: str,
) -> Table:
    """Return one row a build and scenario; ``unit`` is what is counted."""
    heads = ("scenario", "build", *(f"{share:.0%} sampled, µs/{unit}".replace("%", " %") for share in SHARES))
    keys = dict.fromkeys((one.scenario, one.build) for one in looped if one.scenario in scenarios)
    times = {(one.scenario, one.build, one.sampled): one.us for one in looped}
    rows = []
    for scenario, build in keys:
        instructions = counted.get((build, scenario))
        us = [f"{times[scenario, build, share]:.2f}" for share in SHARES]
        rows.append((scenario, build, *us, f"{instructions:,.0f}" if instructions else "–"))
    note = f"Eight frames a read; the best of several runs. Instructions, all sampled: {by}."
    return Table(title, (*heads, f"instructions/{unit}"), tuple(rows), note)


def figures(looped: list[Looped]) -> dict[str, dict[str, float]]:
    """Return what the bar about sampling is held against, with the build that is best."""
    best = "compiled" if any(one.build == "compiled" for one in looped) else "interpreted"
    us = {(one.scenario, one.sampled): one.us for one in looped if one.build == best}
    return {"sampled": {scenario: us[scenario, 0.1] / us[scenario, 1.0] for scenario in FRAMES}}
