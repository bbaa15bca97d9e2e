"""What can be wrong with the peer's bytes, and the status code that tells the peer so.

::

    SpopError                        its ``status`` goes into our AGENT-DISCONNECT (SPOE.txt 3.5)
    ├── NotSpop                   3  the first bytes are those of another protocol
    ├── FrameTooBig               3  length above the negotiated max-frame-size
    ├── InvalidFrame              4
    │   ├── TruncatedFrame           the frame ends inside of what it announced
    │   ├── VarintTooLong            an integer of more than 64 bits
    │   ├── UnknownType              a data type or action that SPOE.txt does not define
    │   ├── BadField                 a field has a value that it must not have
    │   └── MisorderedFrame          a legal frame in a state that does not expect it
    ├── HandshakeError
    │   ├── MissingKey          5 6 7  no supported-versions, max-frame-size or capabilities
    │   ├── UnsupportedVersion    8
    │   └── BadMaxFrameSize       9
    ├── FragmentationRefused     10  a fragment where none is allowed
    ├── InterlacedFrames         11  a second frame under the ids of one still in pieces
    ├── UnknownFrame             12  a fragment of a frame that never began
    └── TooMuchHeld              13  one of our bounds: frames in flight, fragments held

    MisuseError                      the driver's own mistake, never the peer's

Every member keeps the values it speaks about and writes its own sentence.
"""

# ruff: noqa: N818 - the members are named by what is wrong, in SPOE.txt's words; their root says Error
from __future__ import annotations

from typing import Final

from .status import StatusCode


class SpopError(Exception):
    """The peer broke the protocol, or asked for more than our limits allow. ``str()`` is a full sentence."""

    culprit: bytes = b""
    """The frame that is wrong, without its length field, or what had come of it; the connection says it."""

    def __init__(self, status: StatusCode, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


class NotSpop(SpopError):
    """The first frame announces 16 MiB or more: no HELLO, but another protocol's text, and not HAProxy's SPOE.

    ``first`` are the four bytes that would be the length: ``GET`` and a blank, ``PROX`` (``send-proxy`` on the
    ``server`` line), or a TLS record.
    """

    def __init__(self, first: bytes) -> None:
        self.first = first
        super().__init__(
            StatusCode.FRAME_TOO_BIG, f"the peer does not speak SPOP: instead of a HELLO it sent {quoted(first)}"
        )


class FrameTooBig(SpopError):
    """A frame announces more bytes than ``limit``; it is refused before any of them is kept."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(StatusCode.FRAME_TOO_BIG, f"a frame of {size} bytes is above the limit of {limit}")


class InvalidFrame(SpopError):
    """A frame that does not follow SPOE.txt 3.2."""

    def __init__(self, sentence: str) -> None:
        super().__init__(StatusCode.INVALID_FRAME, sentence)


class TruncatedFrame(InvalidFrame):
    """Something in the frame reaches past its end; ``size`` is the frame's."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"the frame of {size} bytes ends in the middle of a field")


class VarintTooLong(InvalidFrame):
    """``value`` is what the first ten bytes gave."""

    def __init__(self, value: int) -> None:
        self.value = value
        super().__init__("an integer has more than 64 bits")


class UnknownType(InvalidFrame):
    """Nothing after it can be read, because its length is unknown. ``what``: data type, action, scope."""

    def __init__(self, what: str, number: int) -> None:
        self.what = what
        self.number = number
        super().__init__(f"unknown {what} {number}")


class BadField(InvalidFrame):
    """``field`` is a name of SPOE.txt, ``found`` what stood there."""

    def __init__(self, field: str, found: object, expected: str) -> None:
        self.field = field
        self.found = found
        self.expected = expected
        super().__init__(f"{field} is {_shown(found)}, expected {expected}")


class MisorderedFrame(InvalidFrame):
    """``frame`` and ``state`` are the names used in logs."""

    def __init__(self, frame: str, state: str) -> None:
        self.frame = frame
        self.state = state
        super().__init__(f"{frame} must not come while the connection is {state}")


class HandshakeError(SpopError):
    """The HELLO is well formed, but no connection can come of it."""


_MISSING = {
    b"supported-versions": StatusCode.NO_VERSION,
    b"max-frame-size": StatusCode.NO_MAX_FRAME_SIZE,
    b"capabilities": StatusCode.NO_CAPABILITIES,
}


class MissingKey(HandshakeError):
    """A mandatory key of the HELLO is absent (SPOE.txt 3.2.4); each has a status of its own."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        super().__init__(_MISSING[key], f"HAPROXY-HELLO has no {key.decode()}")


class UnsupportedVersion(HandshakeError):
    """None of the peer's versions is 2.x."""

    def __init__(self, versions: bytes) -> None:
        self.versions = versions
        super().__init__(StatusCode.UNSUPPORTED_VERSION, f"HAProxy speaks SPOP {quoted(versions)}, this agent 2.0")


class BadMaxFrameSize(HandshakeError):
    """Below the 256 bytes that SPOE.txt 3.2 asks of every peer."""

    def __init__(self, size: int, minimum: int) -> None:
        self.size = size
        self.minimum = minimum
        super().__init__(StatusCode.BAD_MAX_FRAME_SIZE, f"max-frame-size {size} is below the minimum of {minimum}")


class FragmentationRefused(SpopError):
    """A frame without FIN, where fragments were not announced or never are allowed (HELLO, DISCONNECT)."""

    def __init__(self, frame: str) -> None:
        self.frame = frame
        super().__init__(
            StatusCode.FRAGMENTATION_NOT_SUPPORTED, f"{frame} came in fragments, which were not announced for it"
        )


class InterlacedFrames(SpopError):
    """The ids are those of a NOTIFY still in pieces."""

    def __init__(self, stream_id: int, frame_id: int) -> None:
        self.stream_id = stream_id
        self.frame_id = frame_id
        super().__init__(
            StatusCode.INTERLACED_FRAMES,
            f"a second NOTIFY for stream {stream_id} frame {frame_id}, which is still in pieces",
        )


class UnknownFrame(SpopError):
    """An UNSET frame continues a NOTIFY that never came."""

    def __init__(self, stream_id: int, frame_id: int) -> None:
        self.stream_id = stream_id
        self.frame_id = frame_id
        super().__init__(
            StatusCode.FRAME_ID_NOT_FOUND, f"a fragment of stream {stream_id} frame {frame_id}, which never began"
        )


class TooMuchHeld(SpopError):
    """``what`` names the bound (a field of Limits), ``limit`` its value."""

    def __init__(self, what: str, limit: int) -> None:
        self.what = what
        self.limit = limit
        super().__init__(StatusCode.RESOURCE_ALLOCATION, f"the limit of {limit} {what} is reached")


class MisuseError(Exception):
    """The program that drives the connection broke its contract: nothing the peer sends can cause this."""


_LONGEST: Final = 80
"""Bytes or characters of a value in a sentence."""


def quoted(text: bytes, longest: int = _LONGEST) -> str:
    """Return bytes as they may stand in a terminal: quoted, cut, and escaped where they are not printable ASCII."""
    escaped = str(bytes(text[:longest]))[2:-1].replace('"', '\\"').replace("\\'", "'")
    hidden = len(text) - longest
    return f'"{escaped}"' + (f" … {hidden} more bytes" if hidden > 0 else "")


def _shown(value: object) -> str:
    """Return a value of the wire as ``decode`` shows it."""
    if isinstance(value, bytes):
        return quoted(value)
    if value is None:
        return "NULL"
    return str(value).lower() if isinstance(value, bool) else f"{value!s:.{_LONGEST}}"
