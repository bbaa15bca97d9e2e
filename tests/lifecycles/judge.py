"""Whether what was left behind is what was expected: for each stream of each scenario one verdict."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Final, NamedTuple

from haproxy_versions import HaproxyVersion

from lifecycles.expected import AT_ORIGIN, EXPECTED, INCOMPLETE, NO_TRACE, Life
from lifecycles.run import Outcome, Run, run
from peer.tracing_agent import Span

TOLERANCE_NS: Final = 20_000_000
"""HAProxy stamps the end when it writes its record, the client when the last byte wakes it: on an idle machine that is
some 0.2 ms apart. 20 ms are less than a person can see in a trace, and more than two busy cores need to wake one of
some dozen threads. The median of three tries must be within; and where the machine woke a thread that only sleeps
still later than that, so much more is granted."""

# The second of two pipelined requests begins when HAProxy has done with the first.
_BEGINS_LATER: Final = {("pipelined", 1)}
_FOREIGN: Final = "unknown_reference"
"""What the agent may complain of: with a filter in the backend the frontend's spans are never told of."""

SECOND_LONG: Final = "streamed-1s"


class Cell(NamedTuple):
    """One stream of a scenario: the median of how far the ends are apart (``None`` if there is none), what is wrong."""

    apart_ns: int | None
    wrong: list[str]


def checked(version: HaproxyVersion, profile: str, folder: Path) -> dict[tuple[str, int], Cell]:
    """Run all life cycles and judge them; what went wrong is tried once more, without the others beside it.

    A machine that stops for as long as HAProxy waits for its agent makes another story of a stream; it does not do so
    twice. A mistake does.
    """
    first = run(version, profile, folder)
    cells = judge(first, version.number, profile)
    failed = {name for (name, _), cell in cells.items() if cell.wrong}
    if first.strangers:  # whose they are is not known
        failed = set(first.outcomes)
    if failed:
        second = run(version, profile, folder, failed)
        assert not second.strangers, f"traces of no stream: {[trace.names for trace in second.strangers]}"
        cells |= judge(second, version.number, profile)
    return cells


def judge(done: Run, version: tuple[int, int], profile: str) -> dict[tuple[str, int], Cell]:
    """Return a cell for each stream of the run, by scenario and number."""
    assert not [line for line in done.complaints if line.get("reason") != _FOREIGN], done.complaints
    granted = TOLERANCE_NS + max(0, done.lateness_ns - TOLERANCE_NS)
    cells = {}
    for name, tries in done.outcomes.items():
        for number, expected in enumerate(EXPECTED[name]):
            lives, _ = expected.at(version, profile)
            outcomes = [one[number] for one in tries]
            cells[name, number] = _cell((name, number), outcomes, lives, granted)
    return cells


def _cell(key: tuple[str, int], outcomes: list[Outcome], lives: tuple[Life, ...], granted: int) -> Cell:
    wrong: list[str] = []
    apart: list[int] = []
    begun: list[int] = []
    for outcome in outcomes:
        found = [differences(outcome, life) for life in lives]
        best = min(found, key=len)
        wrong += best
        life = lives[found.index(best)]
        if not best and not life.remains:
            apart.append(abs(outcome.traces[0].root.end_ns - _end_seen(outcome, life)))
            begun.append(abs(outcome.traces[0].root.start_ns - outcome.stream.began_ns))
            if key[0] == SECOND_LONG:
                root = outcome.traces[0].root
                lasted = root.end_ns - root.start_ns
                wrong += [] if abs(lasted - 1_000_000_000) <= granted else [f"a second lasted {lasted} ns"]
    if apart and statistics.median(apart) > granted:
        wrong.append(f"ends {apart} ns from what was seen, granted {granted}")
    if begun and statistics.median(begun) > granted and key not in _BEGINS_LATER:
        wrong.append(f"begins {begun} ns from what was asked, granted {granted}")
    return Cell(int(statistics.median(apart)) if apart else None, wrong)


def _end_seen(outcome: Outcome, life: Life) -> int:
    return outcome.answered[-1].ended_ns if life.ends == AT_ORIGIN else outcome.stream.ended_ns


def differences(outcome: Outcome, life: Life) -> list[str]:
    """Return what is not as expected of one stream, times aside."""
    wrong = _compare("the client's status", outcome.stream.status, life.client)
    traces = outcome.traces
    if life.remains == NO_TRACE:
        return wrong + _compare("traces", len(traces), 0)
    if len(traces) != 1:
        return [*wrong, f"{len(traces)} traces"]
    spans = traces[0].spans
    open_spans = any(span.attributes.get("haproxy.incomplete") for span in spans)
    wrong += _compare("incomplete", open_spans, life.remains == INCOMPLETE)
    wrong += _compare("status", spans[0].attributes.get("http.response.status_code", 0), life.status)
    wrong += _compare("error.type", spans[0].attributes.get("error.type", ""), life.error)
    if life.remains == INCOMPLETE:
        return wrong
    wrong += _compare("termination", spans[0].attributes.get("haproxy.termination.state"), life.state)
    wrong += _compare("span status", spans[0].status, "error" if life.error else "unset")
    wrong += _compare("kind", spans[0].kind, "server")
    # Without the messages of the frontend a span that they begin is one beside the first: both under the caller.
    parents = {span.span_id for span in spans} | {spans[0].parent_id}
    wrong += [f"{span.name} hangs in the air" for span in spans[1:] if span.parent_id not in parents]
    wrong += [f"{span.name} ends later than the stream" for span in spans if span.end_ns > spans[0].end_ns]
    return wrong + _client_spans(outcome, [span for span in spans if span.kind == "client"], life)


def _client_spans(outcome: Outcome, clients: list[Span], life: Life) -> list[str]:
    """A server that was asked has a CLIENT span, and has been told its id."""
    wrong = _compare("CLIENT spans", len(clients), int(life.tried))
    if clients:
        trace = clients[0].trace_id
        sent = {value for one in outcome.answered for value in one.traceparent}
        wrong += _compare("sent upstream", sent - {f"00-{trace}-{clients[0].span_id}-01"}, set())
    return wrong


def _compare(what: str, is_so: object, expected: object) -> list[str]:
    return [] if is_so == expected else [f"{what}: {is_so!r}, not {expected!r}"]
