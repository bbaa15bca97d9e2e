"""wrk, the HTTP client that loads a real HAProxy: got if it is missing and may be, run, and read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass

from bench.processes import LOOPBACK, PATIENCE, run

CONNECTIONS = 64
PATH = "/api/v1/orders/1234567?expand=items"
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Requested:
    """What wrk saw; latencies in milliseconds, ``bad``: answers that were none or not 2xx."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    bad: int


def why_missing() -> str:
    """Return why there is no wrk, after trying to install it; ``""`` if there is one."""
    if shutil.which("wrk"):
        return ""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "wrk is not installed (Debian's package wrk), and only root could do it"
    done = subprocess.run(["apt-get", "install", "--yes", "wrk"], capture_output=True, text=True, check=False)
    return "" if shutil.which("wrk") else f"wrk cannot be installed: {done.stderr.strip()[-200:]}"


def request(port: int, seconds: float) -> Requested:
    """Send as many requests as come back, for some seconds."""
    url = f"http://{LOOPBACK}:{port}{PATH}"
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--latency"]
    return parse_wrk(run([*command, "--duration", f"{max(1, round(seconds))}s", url], patience=seconds + PATIENCE))


def request_one_by_one(port: int, number: int) -> int:
    """Send requests one after the other, each on a connection of its own; return how many."""
    for _ in range(number):
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{PATH}", timeout=PATIENCE) as answer:
            answer.read()
    return number


def parse_wrk(text: str) -> Requested:
    """Read what wrk prints; raise :class:`ValueError` for what is no such text."""
    total, rate = re.search(r"(\d+) requests in", text), re.search(r"Requests/sec:\s+([\d.]+)", text)
    if total is None or rate is None:
        raise ValueError(f"wrk did not say what it did: {text[-300:]}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Requested(
        requests=int(total[1]),
        requests_per_s=float(rate[1]),
        p50_ms=_quantile(text, "50%"),
        p99_ms=_quantile(text, "99%"),
        bad=(int(bad[1]) if bad else 0) + (sum(map(int, errors.groups())) if errors else 0),
    )


def _quantile(text: str, name: str) -> float:
    found = re.search(rf"^\s+{name}\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk did not say its {name}: {text[-300:]}")
    return float(found[1]) * UNITS[found[2]]
