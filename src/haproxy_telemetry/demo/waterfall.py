"""A trace as text: one line a span, in the order of the tree, with a bar where its time lies in the whole.

Pure: spans, a width and a style in, lines out. No line is wider than the width. Where it is narrow, the tree
loses its indentation first, then the bars go, then the names are cut.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from haproxy_telemetry.demo.records import SpanRecord, roots_of, services_of

MIN_BAR = 8  # cells; with less of them a bar says nothing
MAX_BAR = 60
DURATION_CELLS = 7  # "999.9ms"
MAX_INDENT = 2  # cells a level

_EIGHTHS = " ▏▎▍▌▋▊▉"
_COLOURS = ("36", "35", "32", "34", "33")  # by service: cyan, magenta, green, blue, yellow
_RED, _DIM, _BOLD = "31", "2", "1"


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
    span: SpanRecord
    depth: int


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
    columns = _columns(rows, max(width, 1))
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
    children: dict[str, list[SpanRecord]] = {}
    for span in sorted(
        spans, key=lambda span: (span.service != service.get(span.parent_id), span.start_ns, -span.end_ns)
    ):
        children.setdefault(span.parent_id, []).append(span)
    rows: list[_Row] = []
    seen: set[int] = set()
    for first in [*roots_of(spans), *spans]:
        stack = [_Row(first, 0)]
        while stack:
            row = stack.pop()
            if id(row.span) in seen:
                continue
            seen.add(id(row.span))
            rows.append(row)
            stack.extend(_Row(child, row.depth + 1) for child in reversed(children.get(row.span.span_id, [])))
    return rows


def _columns(rows: list[_Row], width: int) -> _Columns:
    """Share the width out: all that is wanted, or less indentation, or no bars, or names cut short."""
    service = max(cells(printable(row.span.service)) for row in rows)
    for indent in range(MAX_INDENT, -1, -1):
        name = max(row.depth * indent + cells(printable(row.span.name)) for row in rows)
        bar = width - (1 + service + 1 + name + 1 + 1 + DURATION_CELLS)
        if bar >= MIN_BAR:
            return _Columns(service, indent, name, min(bar, MAX_BAR))
    service = min(service, max(0, width // 4))
    return _Columns(service, 0, max(0, width - service - DURATION_CELLS - 3), 0)


def _line(row: _Row, columns: _Columns, begin: int, whole: int, colour: str, width: int, style: Style) -> str:
    span = row.span
    mark = " " if not span.error else "!"
    service = _padded(printable(span.service), columns.service, style)
    name = _padded(" " * (row.depth * columns.indent) + printable(span.name), columns.name, style)
    duration = (
        format_duration(span.duration_ns) if style.unicode else format_duration(span.duration_ns).replace("µ", "u")
    )
    if not columns.bar:
        plain = cut(f"{mark}{service} {name} {duration}", width, style)
        return style.paint(plain, _RED if span.error else colour)
    bar = _bar(span, begin, whole, columns.bar, style)
    return "".join(
        [
            style.paint(mark, _RED, _BOLD) if span.error else mark,
            style.paint(service, colour) + " ",
            (style.paint(name, _RED) if span.error else name) + " ",
            style.paint(bar, _RED if span.error else colour),
            style.paint(" " + duration, _DIM),
        ]
    )


def _padded(text: str, width: int, style: Style) -> str:
    text = cut(text, width, style)
    return text + " " * (width - cells(text))


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
