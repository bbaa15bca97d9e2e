"""Values become placeholders of the same length: a recording shows what was said, not by whom and about whom. Pure.

The same value is the same placeholder, by a key that nobody keeps: so the events of a stream stay together, and a
caller's trace id is the same in its header, in the answer and in the record. Letters become letters, digits digits;
punctuation stays. Of ids only the ids change, so a traceparent stays one, sampled or not. Lengths, types, numbers and
booleans stay, so frames stay valid.

Names stay: of messages, arguments, variables, spans and tags, and the few values that a trace's shape depends on and
that tell nothing about a person (``KEPT``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import shake_128
from typing import Final, TypeAlias, final

from haproxy_telemetry.records.syslog import record_of
from haproxy_telemetry.spop.errors import SpopError
from haproxy_telemetry.spop.frames import FIN, FrameType, parse_header
from haproxy_telemetry.spop.messages import parse_string
from haproxy_telemetry.spop.values import BINARY, IPV4, IPV6, STRING, TYPE_MASK, parse_value
from haproxy_telemetry.spop.varint import parse_varint

KEPT: Final = frozenset(
    (
        # names, in the opentracing: language
        *(b"span", b"child-of", b"follows-from", b"finish"),
        # of otel: messages and of records: method, version, scheme, ends, timers, sizes, names of the configuration
        *(b"ht", b"m", b"v", b"tls", b"t0", b"t1", b"T", b"st", b"tc", b"B", b"U", b"rc", b"err", b"held"),
        *(b"fe", b"be", b"srv", b"svc", b"cp", b"sp"),
        # tags that say the same
        *(b"http.method", b"http.request.method", b"http.status_code", b"http.response.status_code", b"http.version"),
        *(b"network.protocol.name", b"network.protocol.version", b"url.scheme", b"http.scheme", b"service.name"),
        *(
            b"haproxy.frontend.name",
            b"haproxy.backend.name",
            b"haproxy.server.name",
            b"error",
            b"component",
            b"span.kind",
        ),
        # sampling's decision, in other formats
        *(b"x-b3-sampled", b"x-b3-flags", b"sampled"),
    )
)
"""Names of arguments, tags, variables and keys of records whose values stay."""

_IDS: Final = frozenset(
    (
        *(b"traceparent", b"up", b"upstream", b"tp", b"link", b"trace_id", b"span_id", b"b3", b"x-b3-traceid"),
        *(b"x-b3-spanid", b"x-b3-parentspanid", b"x_b3_traceid", b"x_b3_spanid", b"uber-trace-id", b"uber_trace_id"),
    )
)
"""Names of values that are made of ids: only the ids in them change."""

_RUNS: Final = frozenset((b"tag", b"log", b"baggage"))
"""Arguments of which the first value is a name, and the nameless ones behind it are its value."""

_ID_LIKE: Final = re.compile(rb"[0-9a-fA-F:,\-]*")
_ID: Final = re.compile(rb"[0-9a-fA-F]{3,}")  # flags and versions are shorter

_CLASSES: Final = (b"0123456789", b"abcdef", b"ghijklmnopqrstuvwxyz", b"ABCDEF", b"GHIJKLMNOPQRSTUVWXYZ")
_CLASS_OF: Final = {byte: letters for letters in _CLASSES for byte in letters} | dict.fromkeys(
    range(128, 256), _CLASSES[2]
)

_UNREAD: Final = b"?"

_Walk: TypeAlias = Callable[[bytes, bytearray, list[int]], None]
"""Reads a payload, writes placeholders into a copy of it, and says how far it has come."""


@final
class Redactor:
    """Puts placeholders; ``key`` is random, and to be forgotten."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    # Values

    def text(self, name: bytes, value: bytes) -> bytes:
        """Return what stands for the value that ``name`` has, a text or bytes."""
        if name in KEPT:
            return value
        if name in _IDS and _ID_LIKE.fullmatch(value):
            return _ID.sub(lambda found: self._placeholder(found[0]), value)
        return self._placeholder(value)

    def _placeholder(self, value: bytes) -> bytes:
        """Return bytes of the same length and kinds; ids of nothing but 0 are no ids, and stay none."""
        if not value.strip(b"0-"):
            return value
        chance = shake_128(self._key + value).digest(len(value))
        return bytes([_pick(byte, number) for byte, number in zip(value, chance, strict=True)])

    def _binary(self, value: bytes) -> bytes:
        return shake_128(self._key + value).digest(len(value))

    # Frames

    def frame(self, frame: bytes) -> bytes:
        """Return the frame with placeholders, as long as it was; one piece of several needs :meth:`payload`."""
        try:
            header = parse_header(frame)
        except IndexError:
            return _UNREAD * len(frame)
        if header.type == FrameType.NOTIFY and header.flags & FIN:
            return frame[: header.payload_at] + self.payload(frame[header.payload_at :])
        if header.type == FrameType.ACK:
            return frame[: header.payload_at] + self._walk(frame[header.payload_at :], self._actions)
        if header.type in (FrameType.NOTIFY, FrameType.UNSET) or header.type not in list(FrameType):
            return frame[: header.payload_at] + _UNREAD * (len(frame) - header.payload_at)
        return frame  # HELLO and DISCONNECT speak about the two programs

    def payload(self, payload: bytes) -> bytes:
        """Return the list of messages of a NOTIFY, put together from all its pieces, with placeholders."""
        return self._walk(payload, self._messages)

    def _walk(self, payload: bytes, walk: _Walk) -> bytes:
        """Replace values where they stand; what cannot be read is not let through."""
        out = bytearray(payload)
        read = [0]
        try:
            walk(payload, out, read)
        except (IndexError, SpopError):
            out[read[0] :] = _UNREAD * (len(out) - read[0])
        return bytes(out)

    def _messages(self, data: bytes, out: bytearray, read: list[int]) -> None:
        pos = 0
        while pos < len(data):
            _, pos = parse_string(data, pos)
            count, pos = data[pos], pos + 1
            argument = tag = b""
            for _ in range(count):
                name, pos = parse_string(data, pos)
                argument = name or argument
                if name or argument not in _RUNS:
                    tag = b""
                known = argument if argument not in _RUNS else tag
                text, pos = self._value(data, pos, out, known, keep=bool(name) and name in _RUNS)
                if name in _RUNS:
                    tag = text
                read[0] = pos

    def _actions(self, data: bytes, out: bytearray, read: list[int]) -> None:
        pos = 0
        while pos < len(data):
            kind = data[pos]
            name, pos = parse_string(data, pos + 3)
            if kind == 1:
                _, pos = self._value(data, pos, out, name, keep=False)
            read[0] = pos

    def _value(self, data: bytes, pos: int, out: bytearray, name: bytes, *, keep: bool) -> tuple[bytes, int]:
        """Replace the value at ``pos``; return its bytes, if it has any, and where it ends."""
        kind = data[pos] & TYPE_MASK
        _, end = parse_value(data, pos)
        if end > len(data):
            raise IndexError
        if kind in (STRING, BINARY):
            size, start = parse_varint(data, pos + 1)
        elif kind in (IPV4, IPV6):
            size, start = end - pos - 1, pos + 1
        else:
            return b"", end
        value = data[start : start + size]
        if not keep:
            out[start : start + size] = self.text(name, value) if kind == STRING else self._binary(value)
        return value, end

    # Records

    def record(self, datagram: bytes) -> bytes:
        """Return a datagram's records with placeholders; what else HAProxy's log says is not let through."""
        return b"\n".join([self._record(line) for line in datagram.split(b"\n")])

    def _record(self, line: bytes) -> bytes:
        try:
            told = json.loads(record_of(line.rstrip(b"\0\r ")))
        except (ValueError, RecursionError):
            return _UNREAD * len(line)
        if not isinstance(told, dict):
            return _UNREAD * len(line)
        shown = {key: self._told(str(key).encode(), value) for key, value in told.items()}
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    def _told(self, key: bytes, value: object) -> object:
        if key in KEPT or value == "-":
            return value
        text = value if isinstance(value, str) else json.dumps(value)
        return self.text(key, text.encode("utf-8", "replace")).decode("latin-1")


def _pick(byte: int, number: int) -> int:
    letters = _CLASS_OF.get(byte)
    return byte if letters is None else letters[number % len(letters)]
