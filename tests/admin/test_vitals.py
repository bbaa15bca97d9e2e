"""When the agent lives and when it is ready, with the time as an argument."""

from __future__ import annotations

import pytest

from haproxy_telemetry.admin.listener import Request
from haproxy_telemetry.admin.pages import Pages
from haproxy_telemetry.admin.vitals import why_dead, why_not_ready
from haproxy_telemetry.otlp import ledger as ledgers
from haproxy_telemetry.otlp.ledger import ExportState, Ledger
from haproxy_telemetry.stats import Stats

from .pages import World

NOTHING_YET = ExportState(0, None, None, None)


def test_livez_turns_red_ten_seconds_after_the_last_tick() -> None:
    world, now = World(), [1000.0]
    pages = Pages(world.sources(), lambda: now[0])
    statuses = []
    for now[0] in (1000.0, 1010.0, 1010.5):
        statuses.append(pages.respond(Request("GET", "/livez", "")).status)
    world.heart.last = 1010.0
    statuses.append(pages.respond(Request("GET", "/livez", "")).status)
    assert statuses == [200, 200, 503, 200]


def test_a_dead_agent_says_for_how_long() -> None:
    assert why_dead(5.0, 30.0) == "the event loop has not ticked for 25 s"


@pytest.mark.parametrize(
    ("since", "last", "ready"),
    [
        (None, None, True),
        (None, 999.0, True),  # there was a success since
        (981.0, 1000.0, True),  # for 19 s only
        (980.0, 1000.0, False),
        (500.0, 880.0, False),
        (500.0, 879.0, True),  # nothing was tried for two minutes
    ],
)
def test_only_failures_for_a_while_are_not_ready(since: float | None, last: float | None, ready: bool) -> None:
    assert (why_not_ready(True, ExportState(0, 1.0, since, last), 1000.0) == "") is ready


def test_an_agent_that_stops_is_not_ready() -> None:
    assert why_not_ready(False, NOTHING_YET, 1.0)


def test_the_ledger_keeps_the_first_failure_until_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(ledgers, "monotonic", lambda: now[0])
    monkeypatch.setattr(ledgers, "time", lambda: 1e9)
    ledger = Ledger(Stats())
    assert ledger.state(7, 9) == ExportState(7, None, None, None, 9)
    for now[0] in (11.0, 12.0):
        ledger.attempted(False)
    assert ledger.state(0, 0) == ExportState(0, None, 11.0, 12.0)
    ledger.attempted(True)
    assert ledger.state(0, 0) == ExportState(0, 1e9, None, 12.0)
