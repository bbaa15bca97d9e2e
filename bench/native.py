"""The bench's programs in C, compiled into a folder that git ignores: the load generator, and the floor."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.processes import FailedError, run

ROOT = Path(__file__).resolve().parent.parent
SOURCES = Path(__file__).parent / "native"
BUILD = ROOT / "build" / "bench"
FLAGS = ["-std=c17", "-O2", "-Wall", "-Wextra", "-Werror"]


def program(name: str) -> Path:
    """Return the compiled program; compile it if it is not there or older than its sources."""
    target = BUILD / name
    newest = max(source.stat().st_mtime for source in (SOURCES / f"{name}.c", SOURCES / "spop.h"))
    if not target.exists() or target.stat().st_mtime < newest:
        compiler = shutil.which("cc")
        if compiler is None:
            raise FailedError("no C compiler: install gcc (apt-get install gcc libc6-dev)")
        BUILD.mkdir(parents=True, exist_ok=True)
        run([compiler, *FLAGS, "-o", target, SOURCES / f"{name}.c"], patience=120)
    return target
