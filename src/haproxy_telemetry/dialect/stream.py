"""The message ``otel:request``: a whole stream, told by one event (the profile ``standard``).

Its arguments are facts with fixed names, in any order; the record of the stream's end has the same names. An
argument ``tag`` adds an attribute of your own, as in the ``opentracing:`` language.
"""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.dialect.opentracing import ID_MISSING_HINT, ID_NULL_HINT
from haproxy_telemetry.dialect.values import as_attribute, as_text
from haproxy_telemetry.spop import Message, Value
from haproxy_telemetry.trace.instructions import Problem, Told
from haproxy_telemetry.trace.spans import Attribute
from haproxy_telemetry.trace.stream import Identity, Request, StreamStart

PREFIX: Final = b"otel:"

FACTS: Final = (
    b"id",
    b"up",
    b"tp",
    b"link",
    b"ts",
    b"t0",
    b"fe",
    b"ci",
    b"cp",
    b"m",
    b"uri",
    b"v",
    b"host",
    b"ua",
    b"tls",
    b"svc",
)
"""The names of ``docs/records.md``, as far as they are known when the request has come."""

PLACES: Final = {name: number for number, name in enumerate(FACTS)}

_LARGE: Final = 1 << 61


def read(message: Message, problems: list[Problem]) -> Told | None:
    """Return what the message tells; ``None`` without an id, which is a problem. Others cost their argument."""
    facts: list[Value] = [None] * len(FACTS)
    attributes: list[Attribute] = []
    run: list[Value] | None = None
    id_seen = False
    for name, value in message.arguments:
        if name:
            _end_run(run, attributes)
            run = None
        if name == b"tag":
            run = [value]
        elif not name and run is not None:
            run.append(value)
        elif (place := PLACES.get(name)) is not None:
            facts[place] = value
            id_seen = id_seen or place == 0
        else:
            problems.append(Problem("unknown_argument", name, "the argument is left out"))
    _end_run(run, attributes)
    told = told_of(facts, tuple(attributes))
    if told is None:
        missing = Problem("id_missing", message.name, ID_MISSING_HINT)
        problems.append(Problem("id_null", b"id", ID_NULL_HINT) if id_seen else missing)
    return told


def _end_run(run: list[Value] | None, attributes: list[Attribute]) -> None:
    if not run:
        return
    key, value = as_text(run[0]), as_attribute(run[1:])
    if key and value is not None:
        attributes.append((key, value))


def told_of(facts: list[Value], attributes: tuple[Attribute, ...]) -> Told | None:
    """Return what these facts tell, in the order of ``FACTS`` and NULL where there is none; ``None`` without an id."""
    id_, up, tp, link, ts, t0, fe, ci, cp, m, uri, v, host, ua, tls, svc = facts
    key = as_text(id_)
    if not key:
        return None
    identity = Identity(as_text(up), as_text(tp), as_text(link), as_text(ts))
    request = Request(
        as_text(m),
        as_text(uri),
        b"https" if as_text(tls) == b"1" else b"http",
        as_text(v),
        as_text(host),
        as_text(ua),
        as_text(ci),
        _number(cp),
        as_text(fe),
    )
    start = StreamStart(key, identity, request, _number(t0) * 1000, as_text(svc))
    return Told(key, identity, b"", (), (), [], start, attributes)


def _number(value: Value) -> int:
    """Return a whole number, also one that is written as text; 0 for whatever is none."""
    if type(value) is int and 0 <= value < _LARGE:
        return value
    text = as_text(value)
    return int(text) if text.isdigit() and len(text) < 20 else 0
