"""The record: one JSON object a line, written by HAProxy when a stream has ended. The format is a contract.

Every value is a string, so that whatever HAProxy writes there keeps the JSON valid, and all text that comes from
outside goes through `json(utf8s)`. (HAProxy's own JSON encoding, 3.0 and later, leaves control characters as they
are.) `%{-M}o`: nothing is nothing, not "-".

What comes from outside is bounded, so that the longest record there can be fits into the line: HAProxy cuts a
longer one, or leaves it out where it is structured data, and the record is lost.
"""

from __future__ import annotations

from typing import Final

LINE_BYTES: Final = 8192
"""`log … len`. HAProxy's own default is 1024."""

DATA_LINE_BYTES: Final = 16_384
"""The same where a header stands before the record, with a host's name perhaps, and a log line behind it."""

METHOD_BYTES: Final = 32
TARGET_BYTES: Final = 2048
HOST_BYTES: Final = 128
USER_AGENT_BYTES: Final = 200
TRACE_STATE_BYTES: Final = 512
"""What W3C asks everybody to pass on. HAProxy passes on more; the record and the span leave it out then."""

TRACEPARENT_BYTES: Final = 55


def _text(variable: str) -> str:
    return f"%[var(txn.otel_{variable}),json(utf8s)]"


_IDENTITY: Final = (
    ("id", "%[unique-id,json(utf8s)]"),
    ("up", "%[var(txn.otel_up)]"),
)
_CALLER: Final = (
    ("tp", "%[var(txn.otel_tp)]"),
    ("link", "%[var(txn.otel_link)]"),
    ("ts", _text("ts")),
)
_WHERE: Final = (
    ("fe", "%f"),
    ("be", "%b"),
    ("srv", "%s"),
    ("ci", "%ci"),
    ("cp", "%cp"),
    ("si", "%si"),
    ("sp", "%sp"),
)
_SIZES: Final = {
    False: (("B", "%B"), ("U", "%U")),
    # 3.3.0 has a fault in req.bytes_in, and none in its older name.
    True: (("B", "%[res.bytes_out]"), ("U", "%[bytes_in]")),
}
"""To the client and from it; by whether the version's %B and %U are something else."""
_REQUEST: Final = (
    ("m", _text("m")),
    ("v", "%[var(txn.otel_v)]"),
    ("uri", _text("uri")),
    ("host", _text("host")),
    ("ua", _text("ua")),
    ("tls", "%[ssl_fc]"),
)
_SPOE: Final = (("err", "%[var(txn.otel.err)]"), ("held", "%[var(txn.otel.total)]"))


_WORKER: Final = ("w", "%[var(txn.otel.worker)]")
"""Which worker of the agent has the stream, by its own answer. It stands first, so that it is found at a glance."""


def http_format(service: str = "", *, with_worker: bool = False, other_sizes: bool = False) -> str:
    """Return the log-format of frontends in HTTP mode. ``service`` is checked (``Options``)."""
    times = (("t0", "%[var(txn.otel_t0)]"), ("t1", "%[date(0,us)]"))
    end = (("st", "%ST"), ("tc", "%tsc"))
    timers = ("%TR", "%Tw", "%Tc", "%Tr", "%Ta", "%Tt")
    after = end + _where(other_sizes) + _REQUEST + _SPOE
    return _object(_identity(service, with_worker) + _CALLER + times, timers, after)


def tcp_format(service: str = "", *, with_worker: bool = False, other_sizes: bool = False) -> str:
    """Return the log-format of frontends in TCP mode: no request, no status, and Tt is all the time there was."""
    times = (("t1", "%[date(0,us)]"),)
    timers = ("-1", "%Tw", "%Tc", "-1", "%Tt", "%Tt")
    return _object(_identity(service, with_worker) + times, timers, (("tc", "%ts"), *_where(other_sizes), *_SPOE))


def _where(other_sizes: bool) -> tuple[tuple[str, str], ...]:
    return (*_WHERE, *_SIZES[other_sizes], ("rc", "%rc"))


def _identity(service: str, with_worker: bool) -> tuple[tuple[str, str], ...]:
    return ((_WORKER,) if with_worker else ()) + _IDENTITY + ((("svc", service),) if service else ())


def _object(before: tuple[tuple[str, str], ...], timers: tuple[str, ...], after: tuple[tuple[str, str], ...]) -> str:
    array = ",".join(f'"{timer}"' for timer in timers)
    return f'%{{-M}}o{{"ht":1,{_members(before)},"T":[{array}],{_members(after)}}}'


def _members(members: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f'"{key}":"{value}"' for key, value in members)
