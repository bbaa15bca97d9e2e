"""Debian's Chromium, for the tests that look at the viewer's page: the machine's own, or the reason why there is none.

`make test` installs it where it may; imported by the tests it only looks. Unlike HAProxy it cannot be run unpacked in a
folder: it needs two hundred megabytes of libraries, fonts and data of its release.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from debian_haproxy import UnavailableError

NOTE = Path(__file__).resolve().parent.parent / ".cache" / "chromium.reason"
INSTALL = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]
INSTALL_SECONDS = 300.0


def find() -> Path:
    """Return the program; raise `UnavailableError` with the reason."""
    if installed := shutil.which("chromium"):
        return Path(installed)
    raise UnavailableError(
        NOTE.read_text().strip() if NOTE.exists() else "not installed (`make test` does it for root)"
    )


def fetch() -> None:
    """Install it if there is none and root is who asks; a failure is noted with its reason."""
    if shutil.which("chromium"):
        return
    NOTE.parent.mkdir(parents=True, exist_ok=True)
    NOTE.unlink(missing_ok=True)
    try:
        _install()
    except UnavailableError as error:
        NOTE.write_text(f"{error}\n")


def _install() -> None:
    if not shutil.which("apt-get"):
        raise UnavailableError("this machine has no apt-get: install Chromium so that `chromium` starts it")
    if os.geteuid():
        raise UnavailableError("only root may install it: apt install chromium")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        for command in (["apt-get", "update"], INSTALL):
            subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=True)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{INSTALL[0]} took longer than {INSTALL_SECONDS:.0f} s") from None
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines() or ["no reason said"]
        raise UnavailableError(f"{' '.join(error.cmd[:2])} failed: {lines[-1]}") from None


def line() -> str:
    """Return what a person reads: its version, or why there is none."""
    try:
        program = find()
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except UnavailableError as error:
        return f"no Chromium, and the viewer's page was not looked at: {error}"
    except (OSError, subprocess.SubprocessError) as error:
        return f"no Chromium, and the viewer's page was not looked at: it does not start: {error}"
    return done.stdout.strip()


if __name__ == "__main__":
    fetch()
    print(line())
