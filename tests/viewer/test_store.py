"""The store: what it keeps, what it lets go, what it finds, and which files it does not touch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haproxy_telemetry.viewer.database import CHILDREN, Database, StoreError
from haproxy_telemetry.viewer.queries import Search
from haproxy_telemetry.viewer.store import Limits, Store, condition
from viewer.otlp import BEGIN, SECOND, Spec, received, span, span_id, trace_id

LIMITS = Limits(max_age_s=100.0, max_traces=10, max_bytes=10**6, max_trace_spans=50)


@pytest.fixture
def store() -> Iterator[Store]:
    one = Store(Database(None), LIMITS)
    yield one
    one.close()


def put(store: Store, *specs: Spec, now: float = 0.0) -> dict[str, int]:
    return dict(store.write(received(*specs), BEGIN + round(now * SECOND)).rejected)


def found(store: Store, **search: object) -> list[int]:
    summaries = store.search(Search(**search)).summaries  # type: ignore[arg-type]  # a test's words
    return [int(str(summary["traceId"]), 16) for summary in summaries]


def rows(store: Store) -> dict[str, int]:
    """How many rows each table has: what went must have left nothing behind."""
    with store._database.read() as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("traces", *CHILDREN)
        }


# What is kept


def test_a_span_comes_back_as_it_was_sent(store: Store) -> None:
    spec = Spec(tags={"a": 1, "b": b"\x00\xff", "c": ["x", "y"]})
    put(store, spec)
    (stored,) = store.trace(trace_id(1))
    assert stored.body == span(spec).SerializeToString()


def test_the_same_span_delivered_twice_is_one(store: Store) -> None:
    assert put(store, Spec(), Spec(span=2)) == {}
    assert put(store, Spec(), Spec(span=3)) == {"duplicate": 1}
    assert put(store, Spec(span=4), Spec(span=4)) == {"duplicate": 1}
    assert len(store.trace(trace_id(1))) == store.totals.spans == 4


def test_what_brings_nothing_new_changes_nothing(store: Store) -> None:
    put(store, Spec())
    before = store.totals
    assert store.write(received(Spec()), BEGIN).changed == ()
    assert store.totals == before


def test_a_batch_tells_each_trace_that_grew_once_with_its_last_state(store: Store) -> None:
    changed = store.write(received(Spec(), Spec(trace=2), Spec(span=2, parent=1, error=True)), BEGIN).changed
    assert [(one.trace_id[-1], one.spans, one.errors) for one in changed] == [("1", 2, 1), ("2", 1, 0)]


def test_spans_may_come_in_any_order_and_batches(store: Store) -> None:
    put(store, Spec(span=2, parent=1, name="inner", start=0.5, duration=0.2))
    put(store, Spec(span=1, name="outer"))
    (summary,) = store.search(Search()).summaries
    assert (summary["name"], summary["spans"], summary["durationNano"]) == ("outer", 2, str(SECOND))


# What goes


def test_past_the_number_of_traces_the_one_that_came_first_goes_whole(store: Store) -> None:
    for number in range(1, 13):
        put(store, Spec(trace=number, span=1), Spec(trace=number, span=2, parent=1))
    put(store, Spec(trace=3, span=3))  # to grow again keeps no trace
    put(store, Spec(trace=13))
    assert sorted(found(store)) == list(range(4, 14))
    assert store.trace(trace_id(3)) == []
    assert store.totals.traces == 10


def test_past_its_age_a_trace_goes(store: Store) -> None:
    put(store, Spec(trace=1), now=0)
    put(store, Spec(trace=2), now=60)
    store.expire(BEGIN + 100 * SECOND)
    assert sorted(found(store)) == [1, 2]
    store.expire(BEGIN + 101 * SECOND)
    assert found(store) == [2]
    store.expire(BEGIN + 1000 * SECOND)
    assert set(rows(store).values()) == {0}
    assert (store.totals.traces, store.totals.spans, store.totals.bytes) == (0, 0, 0)


def test_past_the_bytes_the_one_that_came_first_goes(store: Store) -> None:
    for number in range(1, 9):
        put(store, Spec(trace=number, tags={"much": "x" * 300_000}))
    assert found(store) == [8, 7, 6]
    assert store.totals.bytes <= LIMITS.max_bytes


def test_a_trace_that_alone_is_too_large_goes_too(store: Store) -> None:
    put(store, Spec(tags={"much": "x" * 2_000_000}))
    assert set(rows(store).values()) == {0}


def test_a_trace_takes_so_many_spans_and_no_more(store: Store) -> None:
    assert put(store, *(Spec(span=number) for number in range(1, 61))) == {"trace_full": 10}
    assert put(store, Spec(span=70)) == {"trace_full": 1}
    assert len(store.trace(trace_id(1))) == 50


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 15), st.integers(1, 5), st.integers(0, 300)), max_size=60))
def test_the_bounds_hold_and_the_totals_are_true_whatever_comes(spans: list[tuple[int, int, int]]) -> None:
    store = Store(Database(None), LIMITS)
    for number, (trace, identity, now) in enumerate(spans):
        put(store, Spec(trace=trace, span=identity, tags={"n": number}), now=now)
        totals, tables = store.totals, rows(store)
        assert (totals.traces, totals.spans) == (tables["traces"], tables["spans"])
        assert totals.traces <= LIMITS.max_traces
        assert totals.bytes <= LIMITS.max_bytes
    store.expire(BEGIN + 1000 * SECOND)
    assert set(rows(store).values()) == {0}
    store.close()


def test_the_bytes_that_are_counted_are_about_those_of_the_file(tmp_path: Path) -> None:
    """The bound would mean nothing otherwise."""
    file = tmp_path / "traces"
    store = Store(Database(file), Limits())
    for batch in range(10):
        put(
            store,
            *(
                Spec(
                    trace=batch * 50 + n + 1,
                    span=s + 1,
                    parent=s,
                    tags={f"key{k}": f"value {n} {s}" for k in range(12)},
                )
                for n in range(50)
                for s in range(8)
            ),
        )
    counted = store.totals.bytes
    store.close()
    assert 0.7 * counted < file.stat().st_size < 1.3 * counted


# What is found


def test_the_newest_come_first_and_the_total_is_that_of_all(store: Store) -> None:
    put(store, *(Spec(trace=number, start=number % 5) for number in range(1, 10)))
    assert found(store, limit=3) == [9, 4, 8]
    assert store.search(Search(limit=3)).total == 9


TRACES = [
    Spec(trace=1, span=1, service="edge", name="GET", tags={"http.response.status_code": 200, "list": ["a", "b"]}),
    Spec(trace=1, span=2, parent=1, service="api", name="GET /x", duration=0.2, tags={"user": "ann", "ok": True}),
    Spec(trace=2, span=1, service="edge", name="POST", start=10, duration=3, error=True, tags={"f": 1.5, "b": b"\x01"}),
    Spec(
        trace=2, span=2, parent=1, service="api", name="GET", start=10, tags={"user": "bob", "haproxy.incomplete": True}
    ),
    Spec(
        trace=3, span=1, service="api", name="GET", kind=3, start=20, resource={"host.name": "h1"}, tags={"user": "ann"}
    ),
]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"service": "edge"}, [2, 1]),
        ({"service": "nobody"}, []),
        ({"service": "edge", "operation": "POST"}, [2]),
        ({"service": "api", "operation": "POST"}, []),
        ({"operation": "GET"}, [3, 2, 1]),
        ({"tags": {"user": "ann"}}, [3, 1]),
        ({"tags": {"user": "ann", "ok": "true"}}, [1]),
        ({"service": "edge", "tags": {"user": "ann"}}, []),  # it is on a span of another service
        ({"tags": {"http.response.status_code": "200", "user": "ann"}}, []),  # on two spans
        ({"tags": {"http.response.status_code": "200"}}, [1]),
        ({"tags": {"f": "1.5"}}, [2]),
        ({"tags": {"b": "AQ=="}}, [2]),
        ({"tags": {"list": "a"}}, [1]),
        ({"tags": {"list": '["a","b"]'}}, [1]),
        ({"tags": {"host.name": "h1"}}, [3]),
        ({"tags": {"error": "true"}}, [2]),
        ({"tags": {"span.kind": "client"}}, [3]),
        ({"tags": {"otel.scope.name": "tests"}}, [3, 2, 1]),
        ({"tags": {"user": "carl"}}, []),
        ({"errors": True}, [2]),
        ({"errors": False}, [3, 1]),
        ({"incomplete": True}, [2]),
        ({"min_trace_ns": 2 * SECOND}, [2]),
        ({"max_trace_ns": SECOND}, [3, 1]),
        ({"max_span_ns": SECOND // 2}, [1]),
        ({"min_span_ns": 2 * SECOND}, [2]),
        ({"service": "api", "min_span_ns": 2 * SECOND}, []),
        ({"start_ns": BEGIN + 10 * SECOND}, [3, 2]),
        ({"end_ns": BEGIN + 10 * SECOND}, [2, 1]),
        ({"start_ns": BEGIN + 11 * SECOND, "end_ns": BEGIN + 12 * SECOND}, []),
        ({"limit": 0}, []),
    ],
)
def test_a_search_finds_what_it_asks_for(store: Store, search: dict[str, object], expected: list[int]) -> None:
    put(store, *TRACES)
    assert found(store, **search) == expected


def test_a_search_reads_indexes_and_no_table_from_end_to_end(store: Store) -> None:
    """What keeps it fast with 100,000 spans: each way to a trace is an index."""
    put(store, *TRACES)
    full = Search(service="a", operation="b", tags={"c": "d"}, errors=True)
    for search in (Search(), Search(service="a"), full):
        where, values = condition(search)
        ask = f"EXPLAIN QUERY PLAN SELECT id, summary FROM traces WHERE {where} ORDER BY start_ns DESC, id DESC"
        with store._database.read() as connection:
            plan = [row[3] for row in connection.execute(ask, values)]
        assert not [step for step in plan if step.startswith("SCAN")], plan
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_services_and_operations_are_those_that_are_there(store: Store) -> None:
    put(store, *TRACES)
    assert store.services() == ["api", "edge"]
    assert store.operations("api") == [("GET", 2), ("GET", 3), ("GET /x", 2)]
    assert store.operations("nobody") == []
    store.expire(BEGIN + 1000 * SECOND)
    assert store.services() == []


def test_the_graph_has_calls_between_services_and_their_errors(store: Store) -> None:
    put(
        store,
        *TRACES,
        Spec(trace=4, span=1, service="edge"),
        Spec(trace=4, span=2, parent=1, service="api", error=True),
    )
    nodes, edges = store.graph(0, 2**62)
    assert nodes == [("api", 4, 1), ("edge", 3, 1)]
    assert edges == [("edge", "api", 3, 1)]
    assert store.graph(BEGIN + 15 * SECOND, 2**62) == ([("api", 1, 0)], [])


# Files


def test_a_file_keeps_its_traces(tmp_path: Path) -> None:
    file = tmp_path / "traces"
    store = Store(Database(file), LIMITS)
    put(store, *TRACES)
    before = store.totals
    store.close()
    assert file.stat().st_mode & 0o777 == 0o600
    again = Store(Database(file), LIMITS)
    assert again.totals == before
    assert found(again, service="edge") == [2, 1]
    again.close()


def test_a_smaller_bound_holds_for_what_is_in_the_file_already(tmp_path: Path) -> None:
    store = Store(Database(tmp_path / "traces"), LIMITS)
    put(store, *TRACES)
    store.close()
    again = Store(Database(tmp_path / "traces"), Limits(max_age_s=100, max_traces=1))
    again.expire(BEGIN)
    assert found(again) == [3]
    again.close()


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"other\.db: it is a database of another program"):
        Database(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", [b"hello, I am no database, but I am long enough to look at" * 100, b"\x00" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"notes\.txt: it is no store of the viewer"):
        Database(file)
    assert file.read_bytes() == content


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "traces"
    store = Store(Database(file), Limits())
    put(store, *(Spec(trace=n, tags={"k": "v" * 500}) for n in range(1, 500)))
    store.close()
    content = bytearray(file.read_bytes())
    content[len(content) // 3 : len(content) // 2] = b"\xa5" * (len(content) // 2 - len(content) // 3)
    file.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        Database(file)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "traces"
    Database(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="version 99"):
        Database(file)


def test_two_viewers_do_not_share_a_file(tmp_path: Path) -> None:
    first = Database(tmp_path / "traces")
    with pytest.raises(StoreError, match="another viewer uses it"):
        Database(tmp_path / "traces")
    first.close()
    Database(tmp_path / "traces").close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere/traces: it cannot be opened"):
        Database(tmp_path / "nowhere" / "traces")


def test_ids_are_those_of_the_protocol() -> None:
    assert (len(trace_id(1)), len(span_id(1))) == (16, 8)
