"""The agent as it is installed: compiled by mypyc, and interpreted; both of this checkout, as pip makes them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.native import BUILD, ROOT
from bench.processes import FailedError

PURE = "HAPROXY_TELEMETRY_PURE"


@dataclass(frozen=True)
class Build:
    """One way to run the agent: ``folder`` comes first on PYTHONPATH."""

    name: str
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        """Return the environment in which Python finds this build."""
        return {"PYTHONPATH": str(self.folder)}

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command line of `haproxy-telemetry` with these arguments."""
        return [sys.executable, "-m", "haproxy_telemetry", *map(str, arguments)]


def make_builds() -> dict[str, Build]:
    """Install the checkout twice; return what came out, by name: ``interpreted``, and ``compiled`` if it can be had."""
    builds = {}
    for name, pure in (("compiled", "0"), ("interpreted", "1")):
        folder = BUILD / name
        _install(folder, pure)
        compiled = any(folder.rglob("*.so"))
        if compiled == (name == "compiled"):
            builds[name] = Build(name, folder)
    if "interpreted" not in builds:
        raise FailedError(f"{PURE}=1 gave a compiled build")
    return builds


def best_build(builds: dict[str, Build]) -> Build:
    """Return the one that people run where there is a compiler."""
    return builds.get("compiled", builds["interpreted"])


def _install(folder: Path, pure: str) -> None:
    """Install into ``folder``, unless what is there is younger than all that it was made of."""
    made_of = [*(ROOT / "src").rglob("*.py"), ROOT / "pyproject.toml", ROOT / "hatch_build.py"]
    mark = folder / "made"
    if mark.exists() and mark.stat().st_mtime > max(path.stat().st_mtime for path in made_of):
        return
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(folder), str(ROOT)],
        env=os.environ | {PURE: pure},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FailedError(f"the agent cannot be installed: {done.stderr[-2000:]}")
    mark.touch()
