"""Only three modules of the doctor touch the world: files, probes, and examine, which calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from test_imports import IMPURE_MODULES, PACKAGE, imported

WORLDLY = {"files.py", "probes.py", "examine.py"}
MODULES = sorted(path for path in (PACKAGE / "doctor").glob("*.py") if path.name not in WORLDLY)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_pure_module_knows_nothing_of_the_world(path: Path) -> None:
    names = imported(path)
    assert not {name.split(".")[0] for name in names} & (IMPURE_MODULES | {"pathlib"})
    if path.name != "report.py":
        assert not {name.split(".")[2] for name in names if name.startswith("haproxy_telemetry.doctor.")} & {
            "files",
            "probes",
            "examine",
        }
