"""Frames in words, for people who have bytes in hand: the pure part of ``haproxy-telemetry decode``.

Reads frames of both sides, whole or not, and never judges their order. A malformed frame is described up to
its fault, which comes last; nothing that the peer sent can raise from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from .actions import Action, Scope, SetVar, parse_action
from .errors import SpopError, TruncatedFrame, quoted
from .frames import ABORT, FIN, LENGTH_SIZE, FrameType, Header, frame_label, parse_header
from .messages import parse_string
from .scalars import Binary
from .status import describe_status
from .values import Value, parse_value, type_name

_LONGEST_TEXT: Final = 200
"""Bytes of a value that are shown; the rest is counted."""
_CONTROL: Final = frozenset(
    (
        FrameType.HAPROXY_HELLO,
        FrameType.HAPROXY_DISCONNECT,
        FrameType.AGENT_HELLO,
        FrameType.AGENT_DISCONNECT,
    )
)


class CaptureError(Exception):
    """A line of the input is neither hexadecimal nor a line of a capture; ``line`` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line}: {reason}")


class CaptureLine(NamedTuple):
    """One line of a capture: a frame, or that a connection was opened or closed."""

    line: int
    """Where it stood in the input, from 1."""
    frame: bytes
    """Without its length field; b"" where ``event`` says what happened."""
    time_ms: float | None = None
    """Since the capture began; None in plain hex."""
    connection: str = ""
    direction: str = ""
    """``H>A`` from HAProxy to the agent, ``A>H`` back; "" in plain hex."""
    event: str = ""
    missing: int = 0
    """Bytes that the length field promised and the line does not have."""
    record: bytes = b""
    """A datagram of HAProxy's log, which the flight recorder takes too."""
    epoch_ms: float | None = None
    """When the recording began, where a line says that."""


# Describing a frame


def describe_frame(frame: bytes) -> str:
    """Return ``frame``, without its length field, in lines of words; a fault is the last line."""
    lines: list[str] = []
    try:
        _describe(frame, lines)
    except IndexError:
        lines.append(f"  ! {TruncatedFrame(len(frame))}")
    except SpopError as error:
        lines.append(f"  ! {error}")
    return "\n".join(lines)


def _describe(frame: bytes, lines: list[str]) -> None:
    if not frame:
        lines.append("a frame of 0 bytes")
    lines.append(f"{frame_label(frame[0])}, {len(frame)} bytes")
    header = parse_header(frame)
    flags = _flag_names(header.flags)
    lines[0] = f"{frame_label(frame[0])} stream {header.stream_id} frame {header.frame_id} {flags}, "
    lines[0] += f"{len(frame)} bytes"
    _describe_payload(frame, header, lines)


def _describe_payload(frame: bytes, header: Header, lines: list[str]) -> None:
    pos, end = header.payload_at, len(frame)
    if header.type in _CONTROL:
        pos = _describe_pairs(frame, pos, lines)
    elif header.type == FrameType.NOTIFY:
        pos = _describe_messages(frame, pos, lines, whole=bool(header.flags & FIN))
    elif header.type == FrameType.ACK:
        pos = _describe_actions(frame, pos, lines)
    elif pos < end:
        lines.append(f"  {_text(frame[pos:])}")
        pos = end
    if pos > end:
        raise TruncatedFrame(end)


def _flag_names(flags: int) -> str:
    names = [name for bit, name in ((FIN, "FIN"), (ABORT, "ABORT")) if flags & bit]
    rest = flags & ~(FIN | ABORT)
    if rest:
        names.append(f"0x{rest:x}")
    return "+".join(names) or "no FIN"


def _describe_pairs(frame: bytes, pos: int, lines: list[str]) -> int:
    while pos < len(frame):
        key, pos = parse_string(frame, pos)
        value, pos = parse_value(frame, pos)
        words = _value(value)
        if key == b"status-code" and isinstance(value, int):
            words += f" ({describe_status(value)})"
        lines.append(f"  {_text(key)} = {words}")
    return pos


def _describe_messages(frame: bytes, pos: int, lines: list[str], *, whole: bool) -> int:
    """Describe as far as it goes; a first fragment ends anywhere, which is no fault of it."""
    try:
        while pos < len(frame):
            pos = _describe_message(frame, pos, lines)
    except IndexError:
        pos = len(frame) + 1
    if pos > len(frame) and not whole:
        lines.append("  … goes on in the next fragment")
        return len(frame)
    return pos


def _describe_message(frame: bytes, pos: int, lines: list[str]) -> int:
    name, pos = parse_string(frame, pos)
    count = frame[pos]
    pos += 1
    lines.append(f"  message {_text(name)}, {count} argument{'' if count == 1 else 's'}")
    for _ in range(count):
        key, pos = parse_string(frame, pos)
        value, pos = parse_value(frame, pos)
        lines.append(f"    {_text(key) if key else '(no name)'} = {_value(value)}")
    return pos


def _describe_actions(frame: bytes, pos: int, lines: list[str]) -> int:
    if pos == len(frame):
        lines.append("  no actions")
    while pos < len(frame):
        action, pos = parse_action(frame, pos)
        lines.append(f"  {_action(action)}")
    return pos


def _action(action: Action) -> str:
    variable = f"{Scope(action.scope).name.lower()} {_text(action.name)}"
    if isinstance(action, SetVar):
        return f"set-var {variable} = {_value(action.value)}"
    return f"unset-var {variable}"


def _value(value: Value) -> str:
    """Return a value with its wire type, as in ``STRING "GET"``."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return f"BOOL {str(value).lower()}"
    if isinstance(value, Binary):
        return f"BINARY {value[:_LONGEST_TEXT].hex()}{_rest(value)}"
    if isinstance(value, bytes):
        return f"STRING {_text(value)}"
    return f"{type_name(value)} {value}"


def _text(text: bytes) -> str:
    return quoted(text, _LONGEST_TEXT)


def _rest(text: bytes) -> str:
    hidden = len(text) - _LONGEST_TEXT
    return f" … {hidden} more bytes" if hidden > 0 else ""


# Reading captures and hex

_SEPARATORS: Final = re.compile(r"\s+|0x|\\x|:")
# A row of tcpdump -x, xxd ("0x0010:  6700", "00000010: 6700") or Wireshark, hexdump -C ("0010   67 00"): offset,
# bytes, and text behind two blanks or a bar.
_DUMP_ROW: Final = re.compile(
    r"(?:0x)?(?P<offset>[0-9a-fA-F]{4,8})(?::\s+|\s{2,})(?P<bytes>(?:[0-9a-fA-F]{2}){1,2}(?:\s{1,2}(?:[0-9a-fA-F]{2}){1,2}){0,15})"
    r"(?:\s{2,}.*)?"
)
_DUMP_ROW_BYTES: Final = 16

CUT: Final = "the line is cut"


def parse_capture(lines: Iterable[str]) -> Iterator[CaptureLine]:
    """Read the lines of a capture (JSON objects) or of hexadecimal text.

    A line of hex is one frame without its length field, or one or more with it, and may have spaces and colons;
    the lines of a hex dump, with offsets, are put together. A JSON line has ``hex`` with the length field, and
    ``t_offset_ms``, ``conn``, ``direction`` and ``event`` beside it. Empty lines and lines that begin with ``#``
    are left out. A line of a capture that ends in the middle is said to be cut (who wrote it was killed, or the disk
    full), unless it is the first. Raises CaptureError for any other line.
    """
    capture = False
    for number, text in _joined_dumps(lines):
        if text.startswith("{"):
            if capture and not text.endswith("}"):
                yield CaptureLine(line=number, frame=b"", event=CUT)
            else:
                yield from _capture_lines(number, text)
            capture = True
        else:
            yield from _hex_lines(number, text)


def _joined_dumps(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield what stands in each line, with its number; a dump, from its offset 0 on, is one line."""
    begun, dump = 0, ""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        row = _DUMP_ROW.fullmatch(text)
        offset = int(row["offset"], 16) if row else 0
        if dump and offset == 0:
            yield begun, dump
            begun, dump = 0, ""
        if row is None:
            yield number, text
            continue
        if offset != len(dump) // 2:
            raise CaptureError(number, f"the offset is {offset}, and {len(dump) // 2} bytes came before")
        begun = begun or number
        dump += _SEPARATORS.sub("", row["bytes"])[: 2 * _DUMP_ROW_BYTES]  # the text behind them may look like more
    if dump:
        yield begun, dump


def _capture_lines(number: int, text: str) -> Iterator[CaptureLine]:
    try:
        record = json.loads(text)
        time_ms = record.get("t_offset_ms")
        head = CaptureLine(
            line=number,
            frame=b"",
            time_ms=None if time_ms is None else float(time_ms),
            connection=str(record.get("conn", "")),
            direction=str(record.get("direction", "")),
            event=str(record.get("event") or ""),
            record=str(record.get("record", "")).encode("utf-8", "surrogateescape"),
            epoch_ms=float(record["epoch_ms"]) if "epoch_ms" in record else None,
        )
        data = _bytes(number, str(record["hex"]))
    except json.JSONDecodeError as error:
        raise CaptureError(number, f"not JSON: {error.msg}") from None
    except KeyError as error:
        raise CaptureError(number, f"a line of a capture has no {error}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise CaptureError(number, f"not a line of a capture: {error}") from None
    if not data:
        yield head
    for frame, missing in _split(data):
        yield head._replace(frame=frame, missing=missing)


def _hex_lines(number: int, text: str) -> Iterator[CaptureLine]:
    data = _bytes(number, text)
    if not _has_length(data):
        yield CaptureLine(line=number, frame=data)
        return
    for frame, missing in _split(data):
        yield CaptureLine(line=number, frame=frame, missing=missing)


def _bytes(number: int, text: str) -> bytes:
    try:
        return bytes.fromhex(_SEPARATORS.sub("", text))
    except ValueError:
        raise CaptureError(number, "not hexadecimal, two digits for each byte") from None


def _has_length(data: bytes) -> bool:
    """Say whether ``data`` begins with a length field rather than with a frame's type.

    Frames are shorter than 16 MiB, so the first byte of a length is 0, and of the frame types only UNSET is.
    After that type come its flags, of which no more than the lowest two bits are ever set: as a length
    that reads 0.
    """
    return data[:1] == b"\x00" and (len(data) <= LENGTH_SIZE or data[:LENGTH_SIZE] != b"\x00\x00\x00\x00")


def _split(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each frame of ``data`` without its length field, and how many bytes of it are missing."""
    pos = 0
    while pos < len(data):
        start = pos + LENGTH_SIZE
        size = int.from_bytes(data[pos:start], "big")
        pos = start + size
        yield data[start:pos], max(0, pos - len(data))
