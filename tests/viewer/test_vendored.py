"""The libraries of others are what their packages hold, and VENDOR.md says which."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from haproxy_telemetry.viewer import statics

VENDOR = Path(statics.__file__).parent / "static" / "vendor"
LINE = re.compile(r"^\| `([^`]+)` \| [a-z]+ \| [0-9.]+ \| .* \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def test_each_vendored_file_is_listed_with_its_hash() -> None:
    listed = dict(LINE.findall((VENDOR / "VENDOR.md").read_text()))
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.name != "VENDOR.md"}
    assert listed == found


def test_each_library_has_its_licence() -> None:
    text = (VENDOR / "VENDOR.md").read_text()
    named = set(re.findall(r"LICENSE-\w+", text))
    assert named == {path.name for path in VENDOR.glob("LICENSE-*")}
    assert all("icense" in (VENDOR / name).read_text() for name in named)
