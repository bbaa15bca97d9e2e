"""Prometheus' `promtool`, for the tests that let it judge `/metrics`: the machine's own, or Debian's, unpacked.

`make test` fetches it beside the versions of HAProxy; imported by the tests it only looks.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import debian_haproxy
from debian_haproxy import UnavailableError

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "prometheus"
NOTE = CACHE.with_suffix(".reason")


def find() -> Path:
    """Return the program; raise `UnavailableError` with the reason."""
    if installed := shutil.which("promtool"):
        return Path(installed)
    unpacked = CACHE / "usr/bin/promtool"
    if unpacked.is_file():
        return unpacked
    raise UnavailableError(NOTE.read_text().strip() if NOTE.exists() else "not fetched yet (`make test` does it)")


def fetch() -> None:
    """Unpack it if there is none; a failure is noted with its reason."""
    if shutil.which("promtool") or CACHE.is_dir():
        return
    NOTE.unlink(missing_ok=True)
    try:
        release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
        # Its libraries are this release's own; those of its web pages are not wanted.
        debian_haproxy.unpack(release, CACHE, "prometheus", libraries=False)
    except (UnavailableError, OSError) as error:
        NOTE.write_text(f"{error}\n")


def complaints(metrics: bytes) -> str:
    """Return what `promtool check metrics` says of a page: nothing, if it is as Prometheus wants it."""
    done = subprocess.run([find(), "check", "metrics"], input=metrics, capture_output=True, timeout=20, check=False)
    said = (done.stdout + done.stderr).decode()
    return said or (f"it ended with {done.returncode}" if done.returncode else "")
