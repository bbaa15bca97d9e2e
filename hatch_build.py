"""Compiles the hot path with mypyc where the wheel is built; the same files run interpreted where that cannot be.

What is compiled is what every frame goes through and what knows no socket: see ``COMPILED``. The modules come into the
wheel beside their sources, and Python prefers them. Nothing else differs: there is no second implementation.

``HAPROXY_TELEMETRY_PURE=1`` builds the wheel without them, for any Python (``py3-none-any``). Without a compiler or
Python's headers (Debian: gcc, python3-dev) that is what comes out too, and a line says so. A checkout that is installed
in place (``--editable``) stays interpreted, since a compiled module would go on doing what its source did before.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PURE = "HAPROXY_TELEMETRY_PURE"

SOURCES = "src"
PACKAGE = "haproxy_telemetry"

COMPILED = (
    "acktimes.py",
    "agent.py",
    "clock.py",
    "conversation.py",
    "dialect/*.py",
    "engines.py",
    "metrics/instruments.py",
    "metrics/traffic.py",
    "otlp/batch.py",
    "otlp/encode.py",
    "otlp/encode_logs.py",
    "otlp/protobuf.py",
    "otlp/resource.py",
    "otlp/send.py",
    "otlp/send_logs.py",
    "otlp/text.py",
    "plain.py",
    "records/*.py",
    "sampling/*.py",
    "seen.py",
    "session.py",
    "spop/*.py",
    "stats.py",
    "taps.py",
    "trace/*.py",
    "turn.py",
)
"""Patterns of files below the package."""

INTERPRETED = {
    "spop/scalars.py": "classes that are ints and bytes, which mypyc cannot make",
    "trace/values.py": "as spop/scalars.py",
    "trace/foreign.py": "OpenTelemetry's propagators do the work, and may not be there",
    "records/line.py": "msgspec does the work, and fills a class that mypyc would change",
}
"""Those that the patterns name and that are left as they are, with the reason."""

MYPY = ("--config-file=", "--strict", "--ignore-missing-imports", "--follow-imports=silent")
"""Where wheels are built there is nothing of what the package needs: to mypy all of that is ``Any``, and who uses it,
which is never compiled, is wrong then. `make check` is where types are held."""

LIBRARY = f"{PACKAGE}_core"
"""All compiled code is in one library, ``haproxy_telemetry_core__mypyc``: modules call each other without Python."""


class CompiledHotPath(BuildHookInterface[Any]):
    """Called by hatchling when something is built."""

    def dependencies(self) -> list[str]:
        """Return what the build needs, for pip to install."""
        return [] if _why_pure() else ["mypy>=1.20", "setuptools>=77"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the compiled modules into a wheel. ``version`` is that of the target: ``standard`` or ``editable``."""
        if self.target_name != "wheel" or version == "editable":
            return
        reason = _why_pure()
        if not reason:
            try:
                built = compile_modules(Path(self.root), Path(self.root) / "build" / "mypyc")
            except CannotCompileError as error:
                reason = str(error)
        if reason:
            self.app.display_warning(f"{PACKAGE}: not compiled, since {reason}; it will run interpreted")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"] |= {str(path): where for path, where in built.items()}


class CannotCompileError(Exception):
    """The compiler said no; the wheel can still be had without it."""


def _why_pure() -> str:
    """Return why nothing is compiled, ``""`` if it can be."""
    if os.environ.get(PURE, "") not in ("", "0"):
        return f"{PURE} is set"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        return f"there is no compiler ({compiler})"
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return "" if headers.exists() else f"Python's headers are not there ({headers})"


def compiled_sources(root: Path) -> list[Path]:
    """Return the files that are compiled, in a fixed order; the order is that of the library's initialisation."""
    package = root / SOURCES / PACKAGE
    found = {path for pattern in COMPILED for path in package.glob(pattern)}
    return sorted(found - {package / name for name in INTERPRETED})


def compile_modules(root: Path, work: Path) -> dict[Path, str]:
    """Compile below ``work``; return each library and its place in the wheel."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.errors import BaseError

    sources = [str(path.relative_to(root)) for path in compiled_sources(root)]
    before, mypy_path = Path.cwd(), os.environ.get("MYPYPATH")
    os.chdir(root)  # mypyc names modules by the paths that it is given
    os.environ["MYPYPATH"] = SOURCES
    try:
        extensions = mypycify(
            [*MYPY, f"--cache-dir={work}/mypy", *sources],
            opt_level="2",
            debug_level="0",
            multi_file=True,  # one file of C takes the compiler a gigabyte and its time
            target_dir=str(work),
            group_name=LIBRARY,
        )
        distribution = Distribution({"name": PACKAGE, "ext_modules": extensions, "package_dir": {"": SOURCES}})
        command = distribution.get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(work / "lib"), str(work / "temp")
        command.parallel = len(os.sched_getaffinity(0))
        command.ensure_finalized()
        command.run()
    except (BaseError, OSError) as error:
        raise CannotCompileError(f"the compiler failed ({error})") from error
    except SystemExit as error:
        raise CannotCompileError("mypyc refused the sources (see above)") from error
    finally:
        os.chdir(before)
        os.environ.pop("MYPYPATH", None)
        if mypy_path is not None:
            os.environ["MYPYPATH"] = mypy_path
    libraries = [Path(path).absolute() if Path(path).is_absolute() else root / path for path in command.get_outputs()]
    return {path: str(path.relative_to(work / "lib")) for path in libraries}
