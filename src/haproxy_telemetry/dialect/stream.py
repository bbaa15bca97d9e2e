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

FACTS: Final = frozenset(
    (
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
)
"""The names of ``docs/records.md``, as far as they are known when the request has come."""


def read(message: Message, problems: list[Problem]) -> Told | None:
    """Return what the message tells; ``None`` without an id, which is a problem. Others cost their argument."""
    facts: dict[bytes, bytes] = {}
    attributes: list[Attribute] = []
    run: list[Value] | None = None
    for name, value in message.arguments:
        if name:
            _end_run(run, attributes)
            run = None
        if name == b"tag":
            run = [value]
        elif not name and run is not None:
            run.append(value)
        elif name in FACTS:
            facts[name] = as_text(value)
        else:
            problems.append(Problem("unknown_argument", name, "the argument is left out"))
    _end_run(run, attributes)
    key = facts.get(b"id")
    if not key:
        missing = Problem("id_missing", message.name, ID_MISSING_HINT)
        problems.append(missing if key is None else Problem("id_null", b"id", ID_NULL_HINT))
        return None
    start = _start(key, facts)
    return Told(key, start.identity, b"", (), (), [], start, tuple(attributes))


def _end_run(run: list[Value] | None, attributes: list[Attribute]) -> None:
    if not run:
        return
    key, value = as_text(run[0]), as_attribute(run[1:])
    if key and value is not None:
        attributes.append((key, value))


def _start(key: bytes, facts: dict[bytes, bytes]) -> StreamStart:
    def fact(name: bytes) -> bytes:
        return facts.get(name, b"")

    identity = Identity(fact(b"up"), fact(b"tp"), fact(b"link"), fact(b"ts"))
    request = Request(
        method=fact(b"m"),
        target=fact(b"uri"),
        scheme=b"https" if fact(b"tls") == b"1" else b"http",
        version=fact(b"v"),
        host=fact(b"host"),
        user_agent=fact(b"ua"),
        client_address=fact(b"ci"),
        client_port=_number(fact(b"cp")),
        frontend=fact(b"fe"),
    )
    return StreamStart(key, identity, request, _number(fact(b"t0")) * 1000, fact(b"svc"))


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) < 20 else 0
