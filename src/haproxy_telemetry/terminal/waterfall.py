"""A trace as text: one line a span, in the order of the tree, with a bar where its time lies in the whole.

HAProxy's phases share one line below the span that they are parts of: its bar is of their initials. Those that took no
time (HAProxy counts whole milliseconds) and broke nothing are left out.

Pure: spans, a width and a style in, lines out. No line is wider than the width. Where it is narrow, the tree
loses its indentation first, then the bars go, then the names are cut.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from haproxy_telemetry.terminal.records import SpanRecord, is_phase, roots_of, services_of

MIN_BAR = 8  # cells; with less of them a bar says nothing
MAX_BAR = 60
DURATION_CELLS = 7  # "999.9ms"
MAX_INDENT = 2  # cells a level

_EIGHTHS = " ▏▎▍▌▋▊▉"
_COLOURS = ("36", "35", "32", "34", "33")  # by service: cyan, magenta, green, blue, yellow
_RED, _DIM, _BOLD = "31", "2", "1"

# What a phase is called in its line; the first letter makes its bar.
_PHASES = {"receive request": "receive", "wait for response": "wait", "tarpit": "Tarpit"}


@dataclass(frozen=True, slots=True)
class Style:
    """How to draw: ``colour`` for terminals only, ``unicode`` where the stream can write it."""

    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, *codes: str) -> str:
        """Return the text in colour, if there is any."""
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self.colour and text and codes else text


@dataclass(frozen=True, slots=True)
class _Row:
    """A line: a span, or ``phases`` of the span above it."""

    span: SpanRecord
    depth: int
    phases: tuple[SpanRecord, ...] = ()

    @property
    def error(self) -> bool:
        return any(span.error for span in self.phases or (self.span,))


@dataclass(frozen=True, slots=True)
class _Columns:
    """Cells of each column; 0: the column is left out."""

    service: int
    indent: int  # of one level
    name: int
    bar: int


def waterfall(spans: list[SpanRecord], width: int, style: Style = Style()) -> list[str]:
    """Return the lines of a trace, ``width`` cells wide at most."""
    rows = _rows(spans)
    if not rows:
        return []
    columns = _columns(rows, max(width, 1), style)
    begin = min(span.start_ns for span in spans)
    whole = max(1, max(span.end_ns for span in spans) - begin)
    colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(services_of(spans))}
    return [_line(row, columns, begin, whole, colours[row.span.service], max(width, 1), style) for row in rows]


def format_duration(nanoseconds: int) -> str:
    """Return a duration with its unit, in seven cells at most: 12µs, 1.3ms, 130ms, 2.41s."""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds // 1000}µs"
    if nanoseconds < 99_950_000:
        return f"{nanoseconds / 1e6:.1f}ms"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds // 1_000_000}ms"
    seconds = nanoseconds / 1e9
    if seconds < 999.995:
        return f"{seconds:.2f}s"
    return f"{seconds:.0f}s" if seconds < 99_999 else ">99999s"


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes; East Asian wide characters take two."""
    return sum(_char_cells(char) for char in text)


def cut(text: str, limit: int, style: Style = Style()) -> str:
    """Return the text in ``limit`` cells at most, the last one an ellipsis where something went."""
    if cells(text) <= limit:
        return text
    out, room = "", limit - 1
    for char in text:
        room -= _char_cells(char)
        if room < 0:
            break
        out += char
    return out + ("…" if style.unicode else ".") if limit > 0 else ""


def printable(text: str) -> str:
    """Return a text that cannot move the cursor: names come from the network."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _char_cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _rows(spans: list[SpanRecord]) -> list[_Row]:
    """Depth first, children in order of time. Every span once, those of a broken circle at the end.

    A span's children of its own service come first: together they read better than between another's.
    """
    service = {span.span_id: span.service for span in spans}
    phases = _phases(spans)
    children: dict[str, list[SpanRecord]] = {}
    drawn = [span for span in spans if span not in phases.get(span.parent_id, ())]
    for span in sorted(
        drawn, key=lambda span: (span.service != service.get(span.parent_id), span.start_ns, -span.end_ns)
    ):
        children.setdefault(span.parent_id, []).append(span)
    rows: list[_Row] = []
    seen: set[int] = set()
    for first in [*roots_of(drawn), *drawn]:
        stack = [_Row(first, 0)]
        while stack:
            row = stack.pop()
            if id(row.span) in seen:
                continue
            seen.add(id(row.span))
            rows.append(row)
            if lasted := tuple(phase for phase in phases.pop(row.span.span_id, ()) if phase.duration_ns or phase.error):
                rows.append(_Row(row.span, row.depth + 1, lasted))
            stack.extend(_Row(child, row.depth + 1) for child in reversed(children.get(row.span.span_id, [])))
    return rows


def _phases(spans: list[SpanRecord]) -> dict[str, list[SpanRecord]]:
    """Return the phases by the span that they are parts of, in order of time; one with parts of its own is none."""
    service = {span.span_id: span.service for span in spans}
    parents = {span.parent_id for span in spans}
    found: dict[str, list[SpanRecord]] = {}
    for span in sorted(spans, key=lambda span: (span.start_ns, span.end_ns)):
        if is_phase(span) and span.span_id not in parents and service.get(span.parent_id) == span.service:
            found.setdefault(span.parent_id, []).append(span)
    return found


def _label(row: _Row, style: Style) -> str:
    """Return what a line is about: names of phases; or a span's, where it goes to, and what went wrong."""
    if row.phases:
        return ", ".join(_PHASES.get(phase.name, phase.name) for phase in row.phases)
    span = row.span
    server = span.attributes.get("haproxy.server.name") if span.kind == "client" else None
    error = span.attributes.get("error.type") if span.error else None
    arrow = "→" if style.unicode else "->"
    return printable(span.name + (f" {arrow} {server}" if server else "") + (f" ({error})" if error else ""))


def _columns(rows: list[_Row], width: int, style: Style) -> _Columns:
    """Share the width out: all that is wanted, or less indentation, or no bars, or names cut short."""
    service = max(cells(printable(row.span.service)) for row in rows)
    for indent in range(MAX_INDENT, -1, -1):
        name = max(row.depth * indent + cells(_label(row, style)) for row in rows)
        bar = width - (1 + service + 1 + name + 1 + 1 + DURATION_CELLS)
        if bar >= MIN_BAR:
            return _Columns(service, indent, name, min(bar, MAX_BAR))
    service = min(service, max(0, width // 4))
    return _Columns(service, 0, max(0, width - service - DURATION_CELLS - 3), 0)


def _line(row: _Row, columns: _Columns, begin: int, whole: int, colour: str, width: int, style: Style) -> str:
    span = row.span
    mark = " " if not row.error else "!"
    service = _padded(printable(span.service), columns.service, style)
    name = _padded(" " * (row.depth * columns.indent) + _label(row, style), columns.name, style)
    duration = _duration(row, style)
    if not columns.bar:
        plain = cut(f"{mark}{service} {name} {duration}", width, style).rstrip()
        return style.paint(plain, _RED if row.error else colour)
    bar = (
        _letters(row.phases, begin, whole, columns.bar) if row.phases else _bar(span, begin, whole, columns.bar, style)
    )
    return "".join(
        [
            style.paint(mark, _RED, _BOLD) if row.error else mark,
            style.paint(service, colour) + " ",
            (style.paint(name, _RED) if row.error else name) + " ",
            style.paint(bar, _RED if row.error else colour),
            style.paint(duration and f" {duration}", _DIM),
        ]
    )


def _duration(row: _Row, style: Style) -> str:
    """Phases have none of their own: together they last as long as the span above."""
    if row.phases:
        return ""
    text = format_duration(row.span.duration_ns)
    return text if style.unicode else text.replace("µ", "u")


def _padded(text: str, width: int, style: Style) -> str:
    text = cut(text, width, style)
    return text + " " * (width - cells(text))


def _letters(phases: tuple[SpanRecord, ...], begin: int, whole: int, room: int) -> str:
    """Return each phase as its initial, at least once where there is room."""
    line = ""
    for phase in phases:
        first = min((phase.start_ns - begin) * room // whole, room - 1)
        last = max(first + 1, (phase.end_ns - begin) * room // whole)
        line = line[:room].ljust(first)
        line += _PHASES.get(phase.name, phase.name)[0] * min(last - len(line), room - len(line))
    return line


def _bar(span: SpanRecord, begin: int, whole: int, room: int, style: Style) -> str:
    """Return spaces and blocks: at least a sliver, and never beyond ``room``."""
    eighths = room * 8
    first = min((span.start_ns - begin) * eighths // whole, eighths - 8)
    left = first // 8  # a block cannot start within a cell
    length = min(span.duration_ns * eighths // whole, eighths - left * 8)
    if length >= 8:  # long enough to see where it ends: exactly there, though it starts a little early
        length = (span.end_ns - begin) * eighths // whole - left * 8
    length = max(1, length)
    if not style.unicode:
        return " " * left + "#" * max(1, length // 8)
    return " " * left + "█" * (length // 8) + _EIGHTHS[length % 8].strip()
