"""What no commit may hold: it would work on one machine only."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LINK_MODE = "120000"


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git checkout")
def test_no_link_is_tracked() -> None:
    """A link to ``.cache`` once came in with a commit: it led nowhere on other machines, and no test could start."""
    listed = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert [line for line in listed.splitlines() if line.startswith(LINK_MODE)] == []


@pytest.mark.parametrize("name", [".venv", ".cache"])
def test_what_the_commands_make_is_ignored_also_as_a_link(name: str) -> None:
    assert name in (ROOT / ".gitignore").read_text().splitlines()
