"""docs/life-cycles.md: the table of the life cycles, drawn from what is expected and from what a run measured.

Only the measured times are the run's own; everything else comes from the data, so that a test can draw the page again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from lifecycles.configuration import TRIES
from lifecycles.expected import AT_ORIGIN, EXPECTED, INCOMPLETE, NO_TRACE, Expected, Life
from lifecycles.judge import TOLERANCE_NS
from lifecycles.scenarios import SCENARIOS

PROFILES: Final = ("detailed", "standard", "zero-wait")
_SHORT: Final = {"detailed": "d", "standard": "s", "zero-wait": "z"}
_MILLISECOND: Final = 1_000_000
_NONE: Final = "\N{EN DASH}"


class Column(NamedTuple):
    """A HAProxy, by its series, and a profile."""

    version: str
    profile: str

    @property
    def number(self) -> tuple[int, int]:
        major, minor = self.version.split(".")
        return int(major), int(minor)


Row = tuple[str, int]
Measured = Mapping[tuple[Row, Column], int | None]

OPENING = f"""\
# Life cycles: how every stream ends, and what its trace says then

<!-- Made by scripts/life_cycles_page.py, which runs it all; a test draws this page again from the same data. -->

A trace is true if it ends when its stream did, says how, and is one. Each row is a stream of a real HAProxy, with
a client that does what is said, an origin that does its part, and the configuration that `haproxy-telemetry config`
writes. Each column is a HAProxy with a profile: **d**etailed, **s**tandard, **z**ero-wait.

A **number** is a cell in which all of this holds, in each of {TRIES} tries:

- there is exactly one trace of the stream, and no span of it was left open;
- the SERVER span has the status, the termination state and the `error.type` of the row, and is in error if it has
  an `error.type`;
- where a server was asked there is exactly one CLIENT span, and its id is the one in the `traceparent` that the
  origin got; where none was asked there is none;
- every span hangs under another one of the trace or under the caller, and none ends later than the SERVER span;
- the SERVER span begins and ends when the client (or the origin, where it says so) saw the stream begin and end, and
  that of `streamed-1s` lasts a second. The number says how many milliseconds the ends are apart, the median of the
  tries; {TOLERANCE_NS // _MILLISECOND} are granted.

The client measures by the same clock, but from outside: in its number is the time that the last byte took to wake
it. **\N{EN DASH}** is a cell without a trace, **TTL** one whose trace HAProxy never ends, so that the agent does. A
number in brackets leads to what is different there, and why.
"""

CLOSING = """\
## What is behind the table

`tests/lifecycles/` holds the scenarios, the expectations and the run: `python -m pytest tests/lifecycles` holds every
cell against its expectation for the versions of HAProxy that can be had, and this page against both.
`python scripts/life_cycles_page.py` makes it again.

The same folder shows what happens when something breaks, on every version, in profile `standard`:

- **The agent is killed under traffic**: no request fails, each still brings the origin a `traceparent`, and when the
  agent is back the very next request is traced.
- **A fifth of the records is lost** on the way: the traces of those streams end by their TTL, marked
  `haproxy.incomplete`, each where its last event was; no other trace is touched.
- **Records and events that miss each other**: a record before its stream's events, after them, or without any, makes
  one and the same whole trace.
"""


def page(measured: Measured, versions: Mapping[str, str]) -> str:
    """Draw the page; ``versions``: series and full version of each HAProxy."""
    columns = [Column(version, profile) for version in versions for profile in PROFILES]
    notes: list[str] = []
    rows = [line for scenario in SCENARIOS for line in _rows(scenario.name, scenario.what, columns, measured, notes)]
    named = ", ".join(f"{series} is {full}" for series, full in versions.items())
    head = [
        "stream",
        "what happens",
        "client got",
        "SERVER span",
        *(f"{c.version} {_SHORT[c.profile]}" for c in columns),
    ]
    table = [_line(head), _line(["---"] * 4 + ["--:"] * len(columns)), *rows]
    said = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join(
        [OPENING, f"HAProxy {named}.\n", *table, "", "What is different in some cells:", "", *said, "", CLOSING]
    )


def _rows(name: str, what: str, columns: list[Column], measured: Measured, notes: list[str]) -> Iterator[str]:
    streams = EXPECTED[name]
    for number, expected in enumerate(streams):
        row = (name, number)
        cells = [_cell(expected, column, measured.get((row, column)), notes) for column in columns]
        title = f"`{name}`" if len(streams) == 1 else f"`{name}` {number + 1}"
        yield _line([title, what if number == 0 else "", _got(expected.life), _says(expected.life), *cells])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _got(life: Life) -> str:
    return str(life.client) if life.client else "nothing"


def _says(life: Life) -> str:
    if life.remains == NO_TRACE:
        return "no trace"
    parts = [
        f"`{life.state}`",
        *([str(life.status)] if life.status else []),
        *([f"`{life.error}`"] if life.error else []),
    ]
    return " ".join(parts) + (" (seen by the origin)" if life.ends == AT_ORIGIN else "")


def _cell(expected: Expected, column: Column, measured: int | None, notes: list[str]) -> str:
    lives, why = expected.at(column.number, column.profile)
    if why and why not in notes:
        notes.append(why)
    mark = f" [{notes.index(why) + 1}]" if why else ""
    if all(life.remains == NO_TRACE for life in lives):
        return f"{_NONE}{mark}"
    if all(life.remains == INCOMPLETE for life in lives):
        return f"TTL{mark}"
    return ("?" if measured is None else f"{measured / _MILLISECOND:.1f}") + mark


def read(text: str) -> tuple[dict[tuple[Row, Column], int | None], dict[str, str]]:
    """Return what a page says was measured, and for which versions: all in it that the data does not say."""
    versions = dict(re.findall(r"(\d+\.\d+) is (\S+?)[,.](?: |$)", text[text.index("\nHAProxy ") :].split("\n")[1]))
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    columns = [Column(version, profile) for version in versions for profile in PROFILES]
    rows = [(scenario.name, number) for scenario in SCENARIOS for number in range(len(EXPECTED[scenario.name]))]
    measured: dict[tuple[Row, Column], int | None] = {}
    for row, cells in zip(rows, lines[2:], strict=False):
        for column, cell in zip(columns, cells[4:], strict=False):
            number = re.match(r"\d+\.\d", cell)
            measured[row, column] = round(float(number[0]) * _MILLISECOND) if number else None
    return measured, versions
