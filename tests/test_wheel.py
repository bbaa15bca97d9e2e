"""The wheel: what is compiled, and what it is without a compiler. That a compiled one works: ``make test-compiled``."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import haproxy_telemetry
import hatch_build
from haproxy_telemetry.cli.version import how_it_runs
from ways import COMPILED_HERE, EXPECTED

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / hatch_build.SOURCES / hatch_build.PACKAGE


def build(folder: Path, **environ: str) -> tuple[Path, str]:
    """Build a wheel as pip does; return it and what was said."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=True
    )
    [wheel] = folder.glob("*.whl")
    return wheel, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("environ", "reason"),
    [({hatch_build.PURE: "1"}, "HAPROXY_TELEMETRY_PURE is set"), ({"CC": "no-such-cc"}, "no compiler (no-such-cc)")],
)
def test_without_a_compiler_the_wheel_is_for_any_python_and_says_so(
    tmp_path: Path, environ: dict[str, str], reason: str
) -> None:
    wheel, said = build(tmp_path, **{hatch_build.PURE: "", **environ})
    assert wheel.name.endswith("-py3-none-any.whl")
    assert reason in said
    assert "interpreted" in said
    names = zipfile.ZipFile(wheel).namelist()
    assert "haproxy_telemetry/spop/connection.py" in names
    assert not [name for name in names if name.endswith(".so")]
    static = PACKAGE / "viewer" / "static"  # the viewer's page, with the licences of its libraries
    page = {f"haproxy_telemetry/{path.relative_to(PACKAGE)}" for path in static.rglob("*") if path.is_file()}
    assert page <= set(names)


@pytest.mark.skipif(COMPILED_HERE, reason="of the sources")
@pytest.mark.timeout(300)
def test_types_hold_where_nothing_is_installed_that_the_package_needs(tmp_path: Path) -> None:
    """As in the environment in which pip builds: mypyc refused the sources there, and people ran them interpreted."""
    sources = [str(path.relative_to(ROOT)) for path in hatch_build.compiled_sources(ROOT)]
    command = [sys.executable, "-m", "mypy", *hatch_build.MYPY, "--no-site-packages", f"--cache-dir={tmp_path}"]
    environ = {**os.environ, "MYPYPATH": hatch_build.SOURCES}
    done = subprocess.run([*command, *sources], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_it_runs_as_it_was_asked_for() -> None:
    """Else `make test-compiled` could test the sources, and nobody would notice."""
    assert how_it_runs() == EXPECTED


@pytest.mark.skipif(not COMPILED_HERE, reason="of the compiled package")
def test_everything_that_can_be_compiled_is() -> None:
    installed = Path(haproxy_telemetry.__file__).parent
    compiled = {path.parent / path.name.partition(".")[0] for path in installed.rglob("*.so")}
    expected = {path.relative_to(PACKAGE).with_suffix("") for path in hatch_build.compiled_sources(ROOT)}
    assert {path.relative_to(installed) for path in compiled} == expected


def test_what_is_left_interpreted_exists() -> None:
    assert [name for name in hatch_build.INTERPRETED if not (PACKAGE / name).exists()] == []
    assert all(list(PACKAGE.glob(pattern)) for pattern in hatch_build.COMPILED)
