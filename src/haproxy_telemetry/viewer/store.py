"""The traces: written in batches, found by what they have, gone when their time or the room is over. Sync.

Whole traces go, the one that came first at first. The same span delivered twice is one. Bounded by age, by the
number of traces, by bytes, and each trace by its spans: a sender that reuses one id for ever fills no memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from haproxy_telemetry.viewer.database import CHILDREN, Database
from haproxy_telemetry.viewer.matching import matches
from haproxy_telemetry.viewer.queries import Search
from haproxy_telemetry.viewer.spans import ReceivedSpan, SpanRow, StoredSpan, Summary
from haproxy_telemetry.viewer.summary import root_facts, root_of, summarize, summary_json
from haproxy_telemetry.viewer.terms import mark, operation_term, service_term, tag_term

# What a row and its places in the indexes take beside the bodies, in bytes of the file.
SPAN_BYTES: Final = 180
TERM_BYTES: Final = 40
TRACE_BYTES: Final = 900

_SPAN: Final = "INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS: Final = (
    "SELECT span_id, parent_id, service, name, kind, start_ns, end_ns, error, incomplete FROM spans WHERE trace = ?"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The store's bounds."""

    max_age_s: float = 86400.0
    max_traces: int = 20_000
    max_bytes: int = 256 * 1024 * 1024
    max_trace_spans: int = 20_000


@dataclass(frozen=True, slots=True)
class Totals:
    """What the store holds."""

    traces: int
    spans: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch: the traces that are new or grew, and the spans that were not taken, by reason."""

    changed: tuple[Summary, ...]
    rejected: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """The traces that a search found, the newest first, and how many there are without its limit."""

    summaries: tuple[dict[str, object], ...]
    total: int

    @property
    def ids(self) -> list[bytes]:
        """The traces' ids."""
        return [bytes.fromhex(str(summary["traceId"])) for summary in self.summaries]


class Store:
    """Traces in a database. One thread writes, any may read."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self.limits = limits
        with database.read() as connection:
            row = connection.execute("SELECT count(*), total(spans), total(bytes) FROM traces").fetchone()
        self._totals = Totals(int(row[0]), int(row[1]), int(row[2]))

    @property
    def totals(self) -> Totals:
        """What the store holds now."""
        return self._totals

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # Writing

    def write(self, spans: Iterable[ReceivedSpan], now_ns: int) -> Written:
        """Take a batch in, in one transaction, and let go what is too much; raises ``sqlite3.Error``."""
        by_trace: dict[bytes, list[ReceivedSpan]] = {}
        for span in spans:
            by_trace.setdefault(span.trace_id, []).append(span)
        rejected: Counter[str] = Counter()
        changed = []
        with self._database.write() as connection:
            totals = self._totals
            for trace_id, grown in by_trace.items():
                summary, totals = self._grow(connection, trace_id, grown, now_ns, totals, rejected)
                changed += [summary] if summary is not None else []
            totals = self._shrink(connection, now_ns, totals)
        self._totals = totals
        return Written(tuple(changed), dict(rejected))

    def expire(self, now_ns: int) -> None:
        """Let go what is too old."""
        with self._database.write() as connection:
            totals = self._shrink(connection, now_ns, self._totals)
        self._totals = totals

    def _grow(
        self,
        connection: sqlite3.Connection,
        trace_id: bytes,
        spans: Sequence[ReceivedSpan],
        now_ns: int,
        totals: Totals,
        rejected: Counter[str],
    ) -> tuple[Summary | None, Totals]:
        """Add spans to a trace; return its new line, ``None`` if nothing was new."""
        row = connection.execute("SELECT id, spans, bytes FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
        number, before, size = row or (self._new_trace(connection, trace_id, now_ns), 0, TRACE_BYTES)
        new: list[ReceivedSpan] = []
        room = self.limits.max_trace_spans - before
        known = _ids(connection, number) if row else set()
        for span in spans:
            if span.span_id in known:
                rejected["duplicate"] += 1
            elif room <= len(new):
                rejected["trace_full"] += 1
            else:
                known.add(span.span_id)
                new.append(span)
        if not new:
            return None, totals
        added = _add_spans(connection, number, new)
        rows = [_row(found) for found in connection.execute(_ROWS, (number,))]
        root = root_of(rows)
        body = connection.execute("SELECT body FROM spans WHERE trace = ? AND span_id = ?", (number, root.span_id))
        summary = summarize(trace_id, rows, root, root_facts(body.fetchone()[0]))
        _update_trace(connection, number, summary, size + added)
        return summary, Totals(
            totals.traces + (not row), totals.spans + len(new), totals.bytes + added + (0 if row else TRACE_BYTES)
        )

    @staticmethod
    def _new_trace(connection: sqlite3.Connection, trace_id: bytes, now_ns: int) -> int:
        made = connection.execute("INSERT INTO traces VALUES (NULL, ?, ?, 0, 0, 0, 0, 0, 0, '')", (trace_id, now_ns))
        assert made.lastrowid is not None
        return made.lastrowid

    def _shrink(self, connection: sqlite3.Connection, now_ns: int, totals: Totals) -> Totals:
        """Remove the traces that came first until all bounds hold."""
        limits, oldest = self.limits, now_ns - int(self.limits.max_age_s * 1e9)
        last = None
        for number, came_ns, spans, size in connection.execute(
            "SELECT id, came_ns, spans, bytes FROM traces ORDER BY id"
        ):
            if totals.traces <= limits.max_traces and totals.bytes <= limits.max_bytes and came_ns >= oldest:
                break
            totals = Totals(totals.traces - 1, totals.spans - spans, totals.bytes - size)
            last = number
        if last is not None:
            for table in CHILDREN:
                connection.execute(f"DELETE FROM {table} WHERE trace <= ?", (last,))  # noqa: S608 (our own names)
            connection.execute("DELETE FROM traces WHERE id <= ?", (last,))
        return totals

    # Reading

    def services(self) -> list[str]:
        """Return the names of all services, sorted."""
        with self._database.read() as connection:
            return [name for (name,) in connection.execute("SELECT DISTINCT name FROM services ORDER BY name")]

    def operations(self, service: str) -> list[tuple[str, int]]:
        """Return the operations of a service with the kind of their spans, sorted."""
        ask = "SELECT DISTINCT name, kind FROM operations WHERE service = ? ORDER BY name, kind"
        with self._database.read() as connection:
            return connection.execute(ask, (service,)).fetchall()

    def trace(self, trace_id: bytes) -> list[StoredSpan]:
        """Return the spans of a trace in order of time; none for a trace that is not here."""
        ask = (
            "SELECT spans.body, origins.body FROM traces JOIN spans ON spans.trace = traces.id"
            " JOIN origins ON origins.id = spans.origin WHERE traces.trace_id = ?"
            " ORDER BY spans.start_ns, spans.span_id"
        )
        with self._database.read() as connection:
            return [StoredSpan(*row) for row in connection.execute(ask, (trace_id,))]

    def search(self, search: Search) -> Found:
        """Return what a search finds."""
        where, values = condition(search)
        by_span = bool(search.tags) or search.min_span_ns > 0 or search.max_span_ns < Search().max_span_ns
        with self._database.read() as connection:
            total = connection.execute(f"SELECT count(*) FROM traces WHERE {where}", values).fetchone()[0]  # noqa: S608
            ask = f"SELECT id, summary FROM traces WHERE {where} ORDER BY start_ns DESC, id DESC"  # noqa: S608
            found: list[dict[str, object]] = []
            for number, summary in connection.execute(ask, values):
                if len(found) >= search.limit:
                    break
                if not by_span or _has_span(connection, number, search):
                    found.append(json.loads(summary))
                else:
                    total -= 1
        return Found(tuple(found), total)

    def graph(self, start_ns: int, end_ns: int) -> tuple[list[tuple[str, int, int]], list[tuple[str, str, int, int]]]:
        """Return services with spans and errors, and calls between them, of the traces that began in that time."""
        when = "FROM traces JOIN {0} ON {0}.trace = traces.id WHERE start_ns BETWEEN ? AND ?"
        nodes = (
            f"SELECT name, sum(services.spans), sum(services.errors) {when.format('services')} GROUP BY 1 ORDER BY 1"
        )
        edges = (
            f"SELECT caller, callee, sum(calls), sum(calls.errors) {when.format('calls')} GROUP BY 1, 2 ORDER BY 1, 2"
        )
        with self._database.read() as connection:
            return (
                connection.execute(nodes, (start_ns, end_ns)).fetchall(),
                connection.execute(edges, (start_ns, end_ns)).fetchall(),
            )


def condition(search: Search) -> tuple[str, list[int]]:
    """Return the traces that a search may find, as SQL: by index alone, whatever the spans hold.

    The rarest term leads: ``terms`` has its traces in one place, and the others are looked up in it.
    """
    terms = [tag_term(key, value) for key, value in search.tags.items()]
    if search.operation:
        terms.append(operation_term(search.service, search.operation))
    if search.service:
        terms.append(service_term(search.service))
    where = ["start_ns BETWEEN ? AND ?", "duration_ns BETWEEN ? AND ?"]
    values = [search.start_ns, search.end_ns, max(search.min_trace_ns, search.min_span_ns), search.max_trace_ns]
    if search.errors is not None:
        where.append("errors > 0" if search.errors else "errors = 0")
    if search.incomplete is not None:
        where.append(f"incomplete = {int(search.incomplete)}")
    for term in terms:
        where.append("EXISTS (SELECT 1 FROM terms WHERE term = ? AND trace = traces.id)")
        values.append(term)
    return " AND ".join(where), values


def _has_span(connection: sqlite3.Connection, number: int, search: Search) -> bool:
    """Say whether one span of a trace has all that is asked of a span."""
    ask = (
        "SELECT spans.body, origins.body FROM spans JOIN origins ON origins.id = spans.origin"
        " WHERE spans.trace = ? AND end_ns - start_ns BETWEEN ? AND ?"
    )
    values: list[object] = [number, search.min_span_ns, search.max_span_ns]
    for column, value in (("service", search.service), ("name", search.operation)):
        if value:
            ask += f" AND {column} = ?"
            values.append(value)
    for key, value in search.tags.items():
        ask += " AND instr(marks, ?) > 0"
        values.append(mark(tag_term(key, value)))
    return any(matches(StoredSpan(*row), search.tags) for row in connection.execute(ask, values))


def _ids(connection: sqlite3.Connection, number: int) -> set[bytes]:
    return {span_id for (span_id,) in connection.execute("SELECT span_id FROM spans WHERE trace = ?", (number,))}


def _row(found: tuple[bytes, bytes, str, str, int, int, int, int, int]) -> SpanRow:
    return SpanRow(*found[:7], error=bool(found[7]), incomplete=bool(found[8]))


def _add_spans(connection: sqlite3.Connection, number: int, spans: Sequence[ReceivedSpan]) -> int:
    """Insert spans, what they come from and their terms; return the bytes that they take."""
    origins, size = _origins(connection, number, spans)
    all_marks = [b"".join(map(mark, span.terms)) for span in spans]
    connection.executemany(
        _SPAN,
        [
            (
                number,
                span.span_id,
                span.parent_id,
                span.service,
                span.name,
                span.kind,
                span.start_ns,
                span.end_ns,
                span.error,
                span.incomplete,
                origins[span.origin],
                marks,
                span.body,
            )
            for span, marks in zip(spans, all_marks, strict=True)
        ],
    )
    terms = frozenset[int]().union(*(span.terms for span in spans))
    made = connection.executemany("INSERT OR IGNORE INTO terms VALUES (?, ?)", [(term, number) for term in terms])
    connection.executemany(
        "INSERT OR IGNORE INTO operations VALUES (?, ?, ?, ?)",
        {(span.service, span.name, span.kind, number) for span in spans},
    )
    bodies = sum(len(span.body) + len(span.name) + len(span.service) for span in spans) + sum(map(len, all_marks))
    return size + bodies + SPAN_BYTES * len(spans) + TERM_BYTES * made.rowcount


def _origins(
    connection: sqlite3.Connection, number: int, spans: Sequence[ReceivedSpan]
) -> tuple[dict[bytes, int], int]:
    """Return the numbers of what the spans come from, and the bytes of what of it is new to the trace."""
    known = dict(connection.execute("SELECT body, id FROM origins WHERE trace = ?", (number,)).fetchall())
    size = 0
    for body in dict.fromkeys(span.origin for span in spans):
        if body not in known:
            known[body] = connection.execute("INSERT INTO origins VALUES (NULL, ?, ?)", (number, body)).lastrowid
            size += len(body) + SPAN_BYTES
    return known, size


def _update_trace(connection: sqlite3.Connection, number: int, summary: Summary, size: int) -> None:
    connection.execute(
        "UPDATE traces SET start_ns = ?, duration_ns = ?, spans = ?, errors = ?, incomplete = ?, bytes = ?, summary = ?"
        " WHERE id = ?",
        (
            summary.start_ns,
            summary.end_ns - summary.start_ns,
            summary.spans,
            summary.errors,
            summary.incomplete,
            size,
            json.dumps(summary_json(summary), ensure_ascii=False),
            number,
        ),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO services VALUES (?, ?, ?, ?)",
        [(number, service.name, service.spans, service.errors) for service in summary.services],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?)",
        [(number, call.caller, call.callee, call.calls, call.errors) for call in summary.calls],
    )
