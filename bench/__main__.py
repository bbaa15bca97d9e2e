"""`make bench`: measures, prints, and writes docs/performance.md. `--quick` and single parts only print."""

from __future__ import annotations

import argparse
import sys
import time

from bench import wire
from bench.bars import judge
from bench.builds import make_builds
from bench.plan import FULL, QUICK
from bench.results import Part

PARTS = {"wire": wire.measure}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--quick", action="store_true", help="short runs, to see whether all works: no figures to keep")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    plan = QUICK if asked.quick else FULL
    builds = make_builds()
    done: list[Part] = []
    for name in asked.parts or PARTS:
        began = time.monotonic()
        part = PARTS[name](builds, plan)
        done.append(part)
        print(f"== {name} ({time.monotonic() - began:.0f} s)\n", flush=True)
        for table in part.tables:
            print(table.text(), "\n", flush=True)
    for verdict in judge({key: values for part in done for key, values in part.figures.items()}):
        print(f"{verdict.answer:8} {verdict.bar.what}: {verdict.text} (bar: {verdict.bar.limit_text})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
