"""axe-core, with the rules that must hold."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

from viewer.page.browser import Visit

AXE = Axe()
# Rules of the guidelines up to 2.2 AA, and what axe calls best practice.
RULES: dict[str, Any] = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
CONTRAST: dict[str, Any] = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}


def violations(page: Visit, rules: dict[str, Any]) -> list[str]:
    found = AXE.run(page.page, options=rules).response["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found]
