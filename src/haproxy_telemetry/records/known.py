"""Lines that are like one that was read before: of them only what differs is read.

HAProxy writes millions of lines by one format, and most of what they say is a few names, a status, a way to
end. Here a line in the order of the generated format is cut at what differs from stream to stream; what is left
over is known by its bytes, with what the reader (``parse.py``) made of it once. So all that a value may be, and what
it means, is written down there, and a line that is cut here says the same as if it had been read
(``tests/records/test_known_lines.py``).

Whatever is different goes to the reader: another order or header, tcp mode, text beyond ASCII or with an escape other
than ``\\/``, numbers that HAProxy does not write.
"""

from __future__ import annotations

import re
from typing import Final, final

from haproxy_telemetry.records.syslog import DATA_HEADER
from haproxy_telemetry.trace.stream import EndOfStream, Identity, Timers

MAX_KNOWN: Final = 1024
"""Kinds of lines: a frontend, a server, a status, a method. Some 3 kB each; past it all are learned anew."""

LONGEST_KNOWN: Final = 512
"""Bytes of what a kind is known by."""

MAX_TIMERS: Final = 4096
"""Sets of timers, which are whole milliseconds: those of quick answers are few."""

MAX_TEXTS: Final = 2048
LONGEST_TEXT: Final = 256
"""Of hosts and user agents, which many clients share."""

_MS: Final = 1_000_000
_BACKSLASH: Final = ord("\\")
_NUMBERS: Final = {b"%d" % number: number for number in range(1000)}

# Possessive where it could matter: a line that does not fit costs one pass.
_PLAIN: Final = rb"[ !#-\[\]-~]*"
_TEXT: Final = rb"[ !#-~]*"
_READ: Final = rb'[^"]*'  # what the reader has seen before, byte by byte, or will see now
_MICROSECONDS: Final = rb"[0-8][0-9]{15}"
_SIZE: Final = rb"[0-9]{1,18}"
_LAP: Final = rb'"(?:-1|[0-9]{1,9})",'


def _member(key: bytes, value: bytes) -> bytes:
    return b'"' + key + b'":"' + value + b'",'


_RECORD: Final = b"".join(
    (
        rb'\{"ht":1,(?:"w":"[0-9]*",)?',
        _member(b"id", b"(" + _PLAIN + b")"),
        _member(b"up", b"(" + _PLAIN + b")"),
        b"(?:" + _member(b"svc", b"(" + _READ + b")") + b")?",
        _member(b"tp", b"(" + _PLAIN + b")"),
        _member(b"link", b"(" + _PLAIN + b")"),
        _member(b"ts", b"(" + _TEXT + b")"),
        _member(b"t0", b"(" + _MICROSECONDS + b")"),
        _member(b"t1", b"(" + _MICROSECONDS + b")"),
        rb'"T":\[(' + _LAP * 4 + rb'"[0-9]{1,9}"),"' + _PLAIN + rb'"\],',
        b"(" + b"".join([_member(key, _READ) for key in (b"st", b"tc", b"fe", b"be", b"srv")]) + b")",
        _member(b"ci", b"(" + _PLAIN + b")"),
        _member(b"cp", rb"([0-9]{1,5})"),
        b"(" + b"".join([_member(key, _READ) for key in (b"si", b"sp")]) + b")",
        _member(b"B", b"(" + _SIZE + b")"),
        _member(b"U", b"(" + _SIZE + b")"),
        b"(" + b"".join([_member(key, _READ) for key in (b"rc", b"m", b"v")]) + b")",
        _member(b"uri", b"(" + _TEXT + b")"),
        _member(b"host", b"(" + _TEXT + b")"),
        _member(b"ua", b"(" + _TEXT + b")"),
        rb'("tls":"[01]","err":"' + _READ + b'")',
        rb'(?:,"held":"([0-9]{0,9}|-)")?\}',
    )
)
_END: Final = rb"[\r\n\0 ]*+"

LINE: Final = re.compile(_RECORD + _END)
"""A line in HTTP mode, in the order of ``haproxyconfig/record.py``. What is cut out is listed in ``parse.py``."""

DATA: Final = re.compile(DATA_HEADER + _RECORD + rb"(?: [^\n]*+)?" + _END)
"""The same as structured data, with a log line of the frontend's own behind it."""


@final
class Laps:
    """Timers, and ``ran``: a bit for each of the first four, since what follows from the others depends on it."""

    __slots__ = ("ran", "timers")

    def __init__(self, text: bytes) -> None:
        request, queue, connect, response, active = [int(value.strip(b'"')) for value in text.split(b",")]
        self.timers = Timers(_lap(request), _lap(queue), _lap(connect), _lap(response), active * _MS)
        self.ran = (request >= 0) | (queue >= 0) << 1 | (connect >= 0) << 2 | (response >= 0) << 3


def _lap(ms: int) -> int | None:
    return None if ms < 0 else ms * _MS


Kind = tuple[bytes, bytes, bytes, bytes, bytes, int]
"""What a line has in common with others: four runs of its bytes, the service, which timers ran."""

_known: dict[Kind, EndOfStream] = {}
_laps: dict[bytes, Laps] = {}
_texts: dict[bytes, bytes] = {}


def known(kind: Kind) -> EndOfStream | None:
    """Return a stream that was read from a line of this kind."""
    return _known.get(kind)


def know(kind: Kind, end: EndOfStream) -> None:
    """Take what the reader made of a line for what all of its kind say; what is of this line alone may be long."""
    if sum([len(kind[0]), len(kind[1]), len(kind[2]), len(kind[3]), len(kind[4])]) <= LONGEST_KNOWN:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        request = end.request.replaced(target=b"", host=b"", user_agent=b"", client_address=b"")
        _known[kind] = end.replaced(key=b"", identity=Identity(), request=request, alike=end.alike)


def laps_of(text: bytes) -> Laps:
    """Return the timers of five numbers in quotes."""
    laps = _laps.get(text)
    if laps is None:
        if len(_laps) >= MAX_TIMERS:
            _laps.clear()
        laps = _laps[text] = Laps(text)
    return laps


def number_of(digits: bytes) -> int:
    """Return a number that was matched; small ones, which most sizes are, need no arithmetic."""
    number = _NUMBERS.get(digits)
    return int(digits) if number is None else number


def unescaped(text: bytes) -> bytes | None:
    """Return text without the backslash that HAProxy puts before a slash; ``None`` if there are others."""
    if _BACKSLASH not in text:
        return text
    text = text.replace(b"\\/", b"/")
    return None if _BACKSLASH in text else text


def unescaped_often(text: bytes) -> bytes | None:
    """Return what :func:`unescaped` does, for text that comes again."""
    known = _texts.get(text)
    if known is not None:
        return known
    plain = unescaped(text)
    if plain is not None and len(text) <= LONGEST_TEXT:
        if len(_texts) >= MAX_TEXTS:
            _texts.clear()
        _texts[text] = plain
    return plain
