"""What the flight recorder costs while it records: CPU a frame and the wait for an ACK, without, with, and redacting.

``PYTHONPATH=src:. python -m bench.recorder [SECONDS]``; interpreted, on this machine as it is. Prints, keeps nothing.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.agents import Bench
from bench.builds import Build
from bench.load import Load, drive
from bench.native import ROOT
from bench.processes import core
from bench.scenarios import COMPACT, SEED

LOADS = (Load(1, 1), Load(4, 1), Load(4, 8))


def main() -> None:
    """Measure in turns, and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    build = Build("interpreted", ROOT / "src")
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Bench(Path(name)) as bench:
        receiver = bench.start_receiver(cores=core(0))
        ways = {
            "off": (),
            "on": ("--record", f"{name}/on"),
            "redacting": ("--record", f"{name}/red", "--record-redact"),
        }
        standing = {
            way: bench.start_agent(build, bench.address("tcp"), receiver, cores=core(1), flags=flags)
            for way, flags in ways.items()
        }
        for scenario in (SEED, COMPACT):
            for load in LOADS:
                for way, one in standing.items():
                    done = drive(one, scenario.path, load, seconds=seconds, cores=core(0))
                    print(
                        f"{scenario.name:8} {load.name:10} {way:10} {done.frames_per_s:8.0f} frames/s"
                        f" {done.agent_us_per_frame:6.1f} us CPU, ACK p50 {done.p50_us:6.0f} p99 {done.p99_us:6.0f}"
                        f" p99.9 {done.p999_us:6.0f} us",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
