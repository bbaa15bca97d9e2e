"""HAProxy for a measurement: the configuration that `haproxy-telemetry config` writes, and one without tracing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from haproxy_versions import HaproxyVersion, discover

from bench.agents import Bench
from bench.processes import LOOPBACK, Process, free_port, run

ORIGIN = """\
global
    log stderr format raw daemon notice
    nbthread 1

defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s

frontend origin
    bind {origin}
    http-request return status 200 content-type text/plain string "ok"
"""

UNTRACED = """\
global
    log stderr format raw daemon notice

defaults
    mode http
    log global
    option dontlognull
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    timeout http-request 10s

frontend untraced
    bind {front}
    default_backend origin

backend origin
    server origin1 {origin}
"""


def versions(wanted: Iterable[str]) -> list[HaproxyVersion]:
    """Return the HAProxies of these series that there are on this machine."""
    return [version for version in discover().versions if version.name in wanted]


def write_example(
    folder: Path,
    version: HaproxyVersion,
    profile: str,
    *,
    agent: str,
    records: int,
    front: int,
    origin: int | None = None,
    extra: Sequence[str] = (),
) -> None:
    """Write what `haproxy-telemetry config` gives for a profile into ``folder``.

    Without an ``origin`` HAProxy answers by itself, in a frontend behind its own backend.
    """
    behind = origin or front + 1
    command: list[str | Path] = [sys.executable, "-m", "haproxy_telemetry", "config", profile, "--example", *extra]
    command += ["--haproxy-version", version.full, "--bind", f"{LOOPBACK}:{front}", "--origin", f"{LOOPBACK}:{behind}"]
    command += ["--records", f"udp:{LOOPBACK}:{records}", "--write", folder, "--force"]
    run(command if profile == "zero-wait" else [*command, "--agent", agent])
    if origin is None:
        inner = ORIGIN.format(origin=f"{LOOPBACK}:{behind}").partition("frontend origin")[2]
        with (folder / "haproxy.cfg").open("a") as file:
            file.write(f"\ndefaults\n    mode http\n    timeout client 5s\n\nfrontend origin-itself{inner}")
    subprocess.run([*version.command, "-c", "-f", "haproxy.cfg"], cwd=folder, check=True, capture_output=True)


@dataclass(frozen=True)
class Proxy:
    """A HAProxy that runs: ``port`` takes requests."""

    port: int
    process: Process


def start_origin(bench: Bench, version: HaproxyVersion) -> int:
    """Start a HAProxy that answers everything by itself; return its port. It is far from being what limits."""
    port = free_port()
    folder = make_folder(bench.folder, "origin")
    (folder / "haproxy.cfg").write_text(ORIGIN.format(origin=f"{LOOPBACK}:{port}"))
    _start(bench, version, folder, port)
    return port


def start_untraced(bench: Bench, version: HaproxyVersion, origin: int) -> Proxy:
    """Start a HAProxy without a word about tracing."""
    port = free_port()
    folder = make_folder(bench.folder, "untraced")
    text = UNTRACED.format(front=f"{LOOPBACK}:{port}", origin=f"{LOOPBACK}:{origin}")
    (folder / "haproxy.cfg").write_text(text)
    return Proxy(port, _start(bench, version, folder, port))


def start_traced(
    bench: Bench, version: HaproxyVersion, profile: str, *, agent: int, records: int, origin: int
) -> Proxy:
    """Start a HAProxy with the profile as it is written for its version."""
    port = free_port()
    folder = make_folder(bench.folder, profile)
    address = f"{LOOPBACK}:{agent}"
    write_example(folder, version, profile, agent=address, records=records, front=port, origin=origin)
    return Proxy(port, _start(bench, version, folder, port))


def _start(bench: Bench, version: HaproxyVersion, folder: Path, port: int) -> Process:
    process = bench.start("haproxy", [*version.command, "-db", "-f", "haproxy.cfg"], folder=folder)
    process.wait_listening(port)
    return process


def make_folder(parent: Path, name: str) -> Path:
    """Return a new folder for one program."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
