"""The pictures of all workers as one, for /status."""

from __future__ import annotations

from haproxy_telemetry.engines import About, Engine
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.seen import Seen
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.workers.picture import Picture, one_export, together


def engine(first: int, last: int, connections: int, **errors: int) -> Engine:
    made = Engine(f"peer {last}", About(*range(len(About._fields))), first)
    made.last_ns, made.connections, made.accepted, made.frames = last, connections, connections * 2, connections * 3
    made.errors = errors
    return made


def picture(engines: dict[bytes, Engine], began: list[int], traces: int, trace_ns: int) -> Picture:
    seen = Seen()
    seen.traces, seen.trace_ns = traces, trace_ns
    return Picture(engines, (), seen, began, len(began), 1, ExportState(1, None, None, None), "otlp")


def test_an_engine_that_several_workers_serve_is_one() -> None:
    one = picture({b"e": engine(1, 10, 1, timeout=1), b"f": engine(4, 4, 1)}, [5, 9], 3, 100)
    other = picture({b"e": engine(2, 20, 2, timeout=2, io=1)}, [7], 4, 50)
    whole, engines, _ = together([one, other], Stats())
    joined = engines.known[b"e"]
    assert set(engines.known) == {b"e", b"f"}
    assert (joined.first_ns, joined.last_ns, joined.peer) == (1, 20, "peer 20")
    assert (joined.connections, joined.accepted, joined.frames) == (3, 6, 9)
    assert joined.errors == {"timeout": 3, "io": 1}
    assert (whole.began, whole.live, whole.connections) == ([5, 7, 9], 3, 2)
    assert (whole.seen.traces, whole.seen.trace_ns) == (7, 100)


def test_an_export_that_fails_in_one_worker_fails() -> None:
    well = ExportState(1, 5.0, None, None, 10, "")
    failing = ExportState(2, 3.0, 4.0, 6.0, 10, "refused")
    assert one_export([well, failing]) == ExportState(3, 5.0, 4.0, 6.0, 20, "refused")
    assert one_export([well, well]).failing_since is None


def test_no_worker_that_answers_is_an_empty_picture() -> None:
    whole, engines, _ = together([], Stats())
    assert (whole.live, whole.connections, whole.began, engines.known) == (0, 0, [], {})
