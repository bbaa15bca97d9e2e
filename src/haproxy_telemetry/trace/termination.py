"""HAProxy's termination state in words: who ended the stream, when, and the ``error.type`` that comes of it.

The codes are those of HAProxy's configuration manual 8.5 (the same from 2.6 to 3.5). Only the first two
characters count here; the others are about cookies. A code that a later HAProxy may add gives words that say
so, never an error.
"""

from __future__ import annotations

from typing import Final, final

from haproxy_telemetry.plain import Plain

CLIENT: Final = b"client"
PROXY: Final = b"proxy"
SERVER: Final = b"server"


TERMINATION_FIELDS: Final = ("words", "cause", "error_type")


@final
class Termination(Plain):
    """How a stream ended, or what the first character says of it. ``error_type``: ``b""`` where it is no error."""

    __slots__ = TERMINATION_FIELDS

    def __init__(self, words: bytes, cause: bytes, error_type: bytes) -> None:
        self.words = words
        self.cause = cause
        """``client``, ``proxy`` (HAProxy itself, its rules, its operator), ``server``, or ``b""`` if it just ended."""
        self.error_type = error_type
        """One of few: it is meant for grouping."""

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return TERMINATION_FIELDS


NORMAL: Final = Termination(b"the stream ended normally", b"", b"")

NO_SERVER: Final = Termination(b"no server was available", SERVER, b"no_server")
"""``SC`` without a server: nobody refused anything, there was nobody to ask. The code alone can't tell."""

FIRST: Final[dict[bytes, Termination]] = {
    b"C": Termination(b"the client closed the connection", CLIENT, b"client_abort"),
    b"c": Termination(b"the client timed out", CLIENT, b"client_timeout"),
    b"S": Termination(b"the server closed the connection or refused it", SERVER, b"server_abort"),
    b"s": Termination(b"the server timed out", SERVER, b"server_timeout"),
    b"P": Termination(b"HAProxy broke the stream off", PROXY, b"proxy_error"),
    b"L": Termination(b"HAProxy answered by itself", PROXY, b""),
    b"R": Termination(b"a resource of HAProxy was exhausted", PROXY, b"resource_exhausted"),
    b"I": Termination(b"HAProxy found an error of its own", PROXY, b"internal_error"),
    b"D": Termination(b"the server was found down and its streams were ended", SERVER, b"server_down"),
    b"U": Termination(
        b"an active server came up and the backup server's streams were ended", PROXY, b"active_server_up"
    ),
    b"K": Termination(b"an operator of HAProxy ended the stream", PROXY, b"killed"),
    b"-": Termination(b"the stream ended", b"", b""),
}
"""The first character: what happened."""

SECOND: Final[dict[bytes, bytes]] = {
    b"R": b" while HAProxy waited for the whole request",
    b"Q": b" while the request waited in a queue for a server",
    b"C": b" while HAProxy was connecting to the server",
    b"H": b" while HAProxy waited for the server's response headers",
    b"D": b" while data was being transferred",
    b"L": b" while the last data was on its way to the client",
    b"T": b" while the request was held in the tarpit",
    b"-": b"",
}
"""The second character: in which state."""

# Pairs that mean something else, or more, than their two characters put together.
_PAIRS: Final[dict[bytes, Termination]] = {
    b"--": NORMAL,
    b"cR": Termination(b"the client did not send its whole request in time", CLIENT, b"client_timeout"),
    b"SC": Termination(b"the server refused the connection or could not be reached", SERVER, b"connect_error"),
    b"SH": Termination(b"the server closed while HAProxy waited for its response headers", SERVER, b"server_abort"),
    b"sC": Termination(b"the connection to the server was not made in time", SERVER, b"connect_timeout"),
    b"sQ": Termination(b"no server had a free slot in time", SERVER, b"queue_timeout"),
    b"sH": Termination(b"the server did not send its response headers in time", SERVER, b"server_timeout"),
    b"PC": Termination(b"HAProxy had no socket left to connect to the server with", PROXY, b"resource_exhausted"),
    b"PR": Termination(b"HAProxy refused the request", PROXY, b"proxy_denied"),
    b"PT": Termination(b"HAProxy refused the request after holding it in the tarpit", PROXY, b"proxy_denied"),
    b"PH": Termination(b"HAProxy blocked the server's response or could not read it", PROXY, b"response_blocked"),
    b"PD": Termination(b"HAProxy blocked a message with a malformed body", PROXY, b"proxy_error"),
    b"LC": Termination(b"HAProxy sent the client to the server's own address", PROXY, b""),
    b"LR": Termination(b"HAProxy answered the request by itself", PROXY, b""),
    b"LH": Termination(b"HAProxy answered in place of the server's response", PROXY, b""),
}


def decode_termination(state: bytes) -> Termination:
    """Return the meaning of a termination state of any length."""
    return _TABLE.get(state[:2]) or _compose(state[:1], state[1:2])


def _compose(first: bytes, second: bytes) -> Termination:
    what = FIRST.get(first)
    if what is None:
        what = Termination(b"the stream ended for a reason that is not known here" + _quoted(first), b"", b"")
    when = SECOND.get(second)
    if when is None:
        when = b" in a state that is not known here" + _quoted(second)
    return Termination(what.words + when, what.cause, what.error_type)


def _quoted(code: bytes) -> bytes:
    """A code as text that can stand anywhere."""
    return b" (" + code.decode("latin-1").encode("unicode_escape") + b")" if code else b""


_TABLE: Final[dict[bytes, Termination]] = {
    first + second: _PAIRS.get(first + second) or _compose(first, second) for first in FIRST for second in SECOND
}
