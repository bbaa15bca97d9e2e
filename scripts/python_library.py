"""The shared library of this Python, for the tests that let rotel take part: it is linked with it.

Debian has it in a package that Python itself does not need. `make test` unpacks it beside the versions of HAProxy;
imported by the tests this only looks.
"""

from __future__ import annotations

import ctypes.util
import platform
import sys
import sysconfig
from pathlib import Path

import debian_haproxy
from debian_haproxy import UnavailableError

PACKAGE = "libpython{}.{}".format(*sys.version_info[:2])
CACHE = Path(__file__).resolve().parent.parent / ".cache" / PACKAGE
NOTE = CACHE.parent / f"{PACKAGE}.reason"


def environment() -> dict[str, str]:
    """Return the variables with which a program finds the library; raise `UnavailableError` with the reason."""
    if (here := _here()) is not None:
        return here
    folders = [file.parent for file in CACHE.glob(f"usr/lib/*/{PACKAGE}.so.1.0")]
    if not folders:
        raise UnavailableError(NOTE.read_text().strip() if NOTE.exists() else "not fetched yet (`make test` does it)")
    return {"LD_LIBRARY_PATH": str(folders[0])}


def fetch() -> None:
    """Unpack it if there is none; a failure is noted with its reason."""
    if _here() is not None or CACHE.is_dir():
        return
    NOTE.unlink(missing_ok=True)
    try:
        release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
        debian_haproxy.unpack(release, CACHE, PACKAGE, libraries=False)
    except (UnavailableError, OSError) as error:
        NOTE.write_text(f"{error}\n")


def _here() -> dict[str, str] | None:
    """Return how the machine's own is found, `None` if there is none."""
    if ctypes.util.find_library(PACKAGE.removeprefix("lib")):
        return {}
    folder = Path(sysconfig.get_config_var("LIBDIR") or "")
    return {"LD_LIBRARY_PATH": str(folder)} if (folder / f"{PACKAGE}.so.1.0").is_file() else None
