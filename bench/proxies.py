"""HAProxy for a measurement: the configuration that `haproxy-telemetry config` writes, and one without tracing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from haproxy_versions import HaproxyVersion, discover

from bench.processes import LOOPBACK, run

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
