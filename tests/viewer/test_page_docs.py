"""docs/viewer.md has the keys that the page's help has, in its words."""

from __future__ import annotations

import re
from pathlib import Path

from haproxy_telemetry.viewer import statics

HELP = Path(statics.__file__).parent / "static" / "app" / "help.js"
PAGE = Path(__file__).parent.parent.parent / "docs" / "viewer.md"


def test_the_keys_of_the_page_are_those_of_its_help() -> None:
    _, table = PAGE.read_text().split("| where | key | what |\n")
    told = re.findall(r"^\| (.+) \| ((?:`.+`)+) \| (.+) \|$", table.split("\n\n")[0], re.MULTILINE)
    helped = []
    for where, keys in re.findall(r'\["([^"]+)", \[\n((?: {4}\[.+\],\n)+)', HELP.read_text()):
        helped += [(where, *pair) for pair in re.findall(r'\["([^"]+)", "([^"]+)"\]', keys)]
    assert len(helped) > 10
    assert [(where, keys.replace("`", "").strip(), what) for where, keys, what in told] == helped
