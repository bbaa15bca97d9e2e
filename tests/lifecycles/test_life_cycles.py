"""Every life cycle of a stream, on every HAProxy, in every profile; and the page that says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from haproxy_versions import HaproxyVersion

from lifecycles.configuration import TRIES
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
    wrong = kept_and_closed(version, profile, tmp_path) and kept_and_closed(version, profile, tmp_path)
    assert wrong == []


def kept_and_closed(version: HaproxyVersion, profile: str, folder: Path) -> list[list[str]]:
    """What is wrong; a machine that stops for as long as the server waits makes another story of it, but not twice."""
    done = run(version, profile, folder, {"server-close-kept"}, own_log=False)
    tries = done.outcomes["server-close-kept"]
    assert [len(one) for one in tries] == [2] * TRIES
    lives = [expected.life for expected in EXPECTED["server-close-kept"]]
    found = [differences(outcome, life) for one in tries for outcome, life in zip(one, lives, strict=True)]
    return [one for one in (*found, [str(trace.names) for trace in done.strangers]) if one]


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
