"""`make bench`: measures, prints, and writes docs/performance.md.

A part that is measured whole goes into the page, beside what was measured of the others before. `--quick` only prints.
"""

from __future__ import annotations

import argparse
import sys
import time

from bench import core, haproxy, kept, memory, page, soak, wire
from bench.bars import judge
from bench.builds import make_builds
from bench.machine import this_machine
from bench.native import ROOT
from bench.plan import FULL, QUICK
from bench.results import Part

PARTS = {
    "wire": wire.measure,
    "core": core.measure,
    "haproxy": haproxy.measure,
    "memory": memory.measure,
    "soak": soak.measure,
}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--quick", action="store_true", help="short runs, to see whether all works: no figures to keep")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    machine = this_machine()
    print(f"{machine.text}\n", flush=True)
    builds = make_builds()
    if "compiled" not in builds:
        print("there is no compiled build: its cases are left out, and bars are held against the interpreted one\n")
    done: list[Part] = []
    for name in asked.parts or PARTS:
        began = time.monotonic()
        part = PARTS[name](builds, QUICK if asked.quick else FULL)
        done.append(part)
        _print_part(part, time.monotonic() - began)
        if not asked.quick:
            day = time.strftime("%Y-%m-%d")
            kept.save(kept.load() | {name: kept.Kept(part, day, machine.text)})
    _print_verdicts(done)
    if not asked.quick:
        page.PAGE.write_text(page.fill(page.PAGE.read_text(), kept.load(), list(PARTS)))
        print(f"\nwritten: {page.PAGE.relative_to(ROOT)}")
    return 0


def _print_part(part: Part, seconds: float) -> None:
    print(f"== {part.name} ({seconds:.0f} s)\n")
    for table in part.tables:
        print(table.text(), "\n")
    for reason in part.skipped:
        print(f"skipped: {reason}\n")
    sys.stdout.flush()


def _print_verdicts(done: list[Part]) -> None:
    for verdict in judge({key: values for part in done for key, values in part.figures.items()}):
        if verdict.values:
            answer = verdict.answer.replace("**", "")
            print(f"{answer}  {verdict.bar.what}: {verdict.text} (bar: {verdict.bar.limit_text})")


if __name__ == "__main__":
    sys.exit(main())
