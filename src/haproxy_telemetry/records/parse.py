"""One log line, or a datagram of some, becomes what has ended: HAProxy's ways of saying "none", numbers in text.

``docs/records.md`` lists the keys. Any bytes give an EndOfStream or a RecordError and nothing else
(``fuzz/fuzz_records.py``).
"""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.records.errors import BAD_VALUE, CUT, MISSING_FIELD, NOT_OURS, TOO_LONG, RecordError
from haproxy_telemetry.records.known import DATA, LINE, know, known, laps_of, number_of, unescaped, unescaped_often
from haproxy_telemetry.records.line import Line, decode
from haproxy_telemetry.records.syslog import is_left_out, record_of
from haproxy_telemetry.trace.stream import EndOfStream, Identity, Request, Timers

MAX_LINE_BYTES: Final = 65_536
"""HAProxy's own limit of ``log ... len`` is 65535."""

MAX_LINES: Final = 256
"""In one datagram. HAProxy sends one; a relay may join some, and 256 of the shortest fill 64 KiB."""

_MS: Final = 1_000_000
_US: Final = 1_000
_INT64_MAX: Final = (1 << 63) - 1
_INT32_MAX: Final = (1 << 31) - 1
_MAX_US: Final = _INT64_MAX // _US


def parse_datagram(datagram: bytes) -> list[EndOfStream | RecordError]:
    """Return what each line of a datagram says, in order; what is past a limit makes one ``too_long``."""
    alone = datagram.startswith(b"{")
    cut = (LINE if alone else DATA).fullmatch(datagram) if len(datagram) <= MAX_LINE_BYTES else None
    if cut is not None:
        end = _like_others(datagram, cut.groups(b""))
        if end is not None:
            return [end]
    return read_datagram(datagram)


def read_datagram(datagram: bytes) -> list[EndOfStream | RecordError]:
    """Return what :func:`parse_datagram` does, with every line read as if it were the first."""
    if len(datagram) > MAX_LINE_BYTES:
        return [RecordError(TOO_LONG)]
    lines = [line for line in datagram.split(b"\n", MAX_LINES) if line.strip(b"\r\0 ")]
    if not lines:
        return [RecordError(NOT_OURS)]
    found = [_parse_or_error(line) for line in lines[:MAX_LINES]]
    return found if len(lines) <= MAX_LINES else [*found, RecordError(TOO_LONG)]


def _parse_or_error(line: bytes) -> EndOfStream | RecordError:
    try:
        return parse_record(line)
    except RecordError as error:
        return error


def parse_record(datagram: bytes) -> EndOfStream:
    """Return the stream that one line tells of, with or without syslog's header and a newline at the end.

    Raises :class:`RecordError`, and nothing else.
    """
    if len(datagram) > MAX_LINE_BYTES:
        raise RecordError(TOO_LONG)
    line = datagram.rstrip(b"\r\n\0 ")
    record = record_of(line)
    if not record:
        raise RecordError(CUT if is_left_out(line) else NOT_OURS)
    return _stream(decode(record))


def _like_others(line: bytes, cut: tuple[bytes, ...]) -> EndOfStream | None:
    """Return the stream of a line that was cut where lines differ; ``None`` if the reader has to see it."""
    (
        key, up, service, caller, untrusted, state, headers_in, ended, lap_texts, names, client, port, server,
        sent, received, how, uri, host_text, agent_text, scheme, held,
    ) = cut  # fmt: skip
    laps = laps_of(lap_texts)
    kind = (names, server, how, scheme, service, laps.ran)
    like = known(kind)
    if like is None:
        try:
            read = parse_record(line)
        except RecordError:
            return None
        know(kind, read)
        return read
    target, state_text = unescaped(uri), unescaped(state)
    host, user_agent = unescaped_often(host_text), unescaped_often(agent_text)
    client_port = int(port)
    if target is None or host is None or user_agent is None or state_text is None or client_port > 65_535:
        return None
    asked = like.request
    end_ns = int(ended) * _US
    return EndOfStream(
        _said(key),
        Identity(_said(up), _said(caller), _said(untrusted), _said(state_text)),
        Request(
            asked.method,
            _said(target),
            asked.scheme,
            asked.version,
            _said(host),
            _said(user_agent),
            _said(client),
            client_port,
            asked.frontend,
        ),
        _start(int(headers_in) * _US, end_ns, laps.timers),
        end_ns,
        laps.timers,
        like.status,
        like.termination,
        like.backend,
        like.server,
        like.server_address,
        like.server_port,
        number_of(received),
        number_of(sent),
        like.retries,
        like.redispatched,
        like.spoe_error,
        like.tcp,
        like.service,
        None if held == b"" or held == b"-" else number_of(held) * _MS,
        like.alike,
    )


# From HAProxy's text to ours


def _stream(line: Line) -> EndOfStream:
    tcp = line.m is None
    timers = _timers(line)
    end_ns = _number("t1", line.t1, _MAX_US) * _US
    return EndOfStream(
        key=_text(line.id),
        identity=Identity(_text(line.up), _text(line.tp), _text(line.link), _text(line.ts)),
        request=_request(line),
        start_ns=_start(_optional("t0", line.t0, _MAX_US) * _US, end_ns, timers),
        end_ns=end_ns,
        timers=timers,
        status=0 if tcp else _status(line.st),
        termination=_termination(line.tc),
        backend=_text(line.be),
        server=b"" if line.srv.startswith("<") else _text(line.srv),  # <NOSRV>, <STATS>, <CACHE>
        server_address=_text(line.si),
        server_port=_optional("sp", line.sp, 65_535),
        bytes_received=_optional("U", line.U, _INT64_MAX),
        bytes_sent=_optional("B", line.B, _INT64_MAX),
        retries=_number("rc", line.rc, _INT32_MAX),
        redispatched=line.rc.startswith("+"),
        spoe_error=_optional("err", line.err, _INT32_MAX),
        tcp=tcp,
        service=_text(line.svc),
        spoe_ns=None if line.held in ("", "-") else _number("held", line.held, _INT32_MAX) * _MS,
    )


def _request(line: Line) -> Request:
    return Request(
        method=_text(line.m or ""),
        target=_text(line.uri),
        scheme={"1": b"https", "0": b"http"}.get(line.tls, b""),
        version=_text(line.v),
        host=_text(line.host),
        user_agent=_text(line.ua),
        client_address=_text(line.ci),
        client_port=_optional("cp", line.cp, 65_535),
        frontend=_text(line.fe).removesuffix(b"~"),  # %f needs no "~"; %ft, which is often put in its place, has it
    )


def _start(headers_in_ns: int, end_ns: int, timers: Timers) -> int:
    """Return the request's first byte: TR before its headers were in, or Ta before the end, the later of both.

    The first is exact to the millisecond of one timer, the second counts on the line being written at once. With
    `http-request wait-for-body` TR lasts until the body is in, and the first would lie before the client's time.
    """
    start_ns = end_ns - timers.active
    if headers_in_ns and timers.request is not None:
        start_ns = max(headers_in_ns - timers.request, min(start_ns, headers_in_ns))
    return max(0, min(start_ns, end_ns))


def _text(value: str) -> bytes:
    return _said(value.encode("utf-8"))


def _said(value: bytes) -> bytes:
    """HAProxy writes ``-`` for nothing, and ``<BADREQ>`` where it could not read the request."""
    return b"" if value == b"-" or value == b"<BADREQ>" else value


def _timers(line: Line) -> Timers:
    request, queue, connect, response, active, _ = line.T
    return Timers(
        _timer(request), _timer(queue), _timer(connect), _timer(response), _number("T", active, _INT32_MAX) * _MS
    )


def _timer(value: str) -> int | None:
    """Return nanoseconds, ``None`` for -1: that phase was never completed."""
    if value.startswith("-") and value[1:].isascii() and value[1:].isdecimal():
        return None
    return _number("T", value, _INT32_MAX) * _MS


def _number(field: str, value: str, limit: int) -> int:
    """Return a plain decimal number. A ``+`` stands before what ``option logasap`` logs early, and in %rc."""
    digits = value.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 19):
        raise RecordError(BAD_VALUE, field)
    number = int(digits)
    if number > limit:
        raise RecordError(BAD_VALUE, field)
    return number


def _optional(field: str, value: str, limit: int) -> int:
    return 0 if value in ("", "-") else _number(field, value, limit)


def _status(value: str | None) -> int:
    if value is None:
        raise RecordError(MISSING_FIELD, "st")
    return 0 if value == "-1" else _number("st", value, 999)


def _termination(value: str) -> bytes:
    if not (2 <= len(value) <= 4 and value.isascii() and value.isprintable()):
        raise RecordError(BAD_VALUE, "tc")
    return value.encode("ascii")
