"""Every life cycle of a stream, on every HAProxy, in every profile; and the page that says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from haproxy_versions import HaproxyVersion

from lifecycles.expected import EXPECTED
from lifecycles.judge import TOLERANCE_NS, checked, differences
from lifecycles.page import PROFILES, page, read
from lifecycles.run import run
from lifecycles.scenarios import SCENARIOS

PAGE = (Path(__file__).parents[2] / "docs" / "life-cycles.md").read_text(encoding="utf-8")

# In turn also where tests run side by side: each is some hundred streams at once, and looks at the time.
pytestmark = pytest.mark.xdist_group("life cycles")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_stream_leaves_one_true_trace(version: HaproxyVersion, profile: str, tmp_path: Path) -> None:
    cells = checked(version, profile, tmp_path)
    assert {row: cell.wrong for row, cell in cells.items() if cell.wrong} == {}
    assert {name for name, _ in cells} == set(EXPECTED)


@pytest.mark.parametrize("profile", PROFILES)
def test_without_a_log_of_their_own_no_end_is_without_its_record(
    version: HaproxyVersion, profile: str, tmp_path: Path
) -> None:
    if version.number < (3, 1):
        pytest.skip("up to 3.0 there are no log-steps")
    done = run(version, profile, tmp_path, {"server-close-kept"}, own_log=False)
    assert done.strangers == []
    wrong = {
        (name, number): differences(outcome, EXPECTED[name][number].life)
        for name, tries in done.outcomes.items()
        for one in tries
        for number, outcome in enumerate(one)
    }
    assert len(wrong) == 2
    assert {key: found for key, found in wrong.items() if found} == {}


def test_every_scenario_has_its_expectation() -> None:
    assert [scenario.name for scenario in SCENARIOS] == list(EXPECTED)


def test_the_page_is_what_the_run_and_the_expectations_say() -> None:
    """Whoever changes a scenario or an expectation makes the page again: python scripts/life_cycles_page.py."""
    measured, versions = read(PAGE)
    assert page(measured, versions) == PAGE


def test_no_cell_of_the_page_is_open_or_beyond_what_is_granted() -> None:
    measured, versions = read(PAGE)
    assert versions.keys() >= {"2.6", "2.8", "3.0", "3.2"}
    assert "| ?" not in PAGE
    assert all(apart is None or apart <= TOLERANCE_NS for apart in measured.values())
