"""``haproxy-telemetry decode``: bytes that someone has in hand, put into words; the describing is in ``spop``."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

from haproxy_telemetry.recorder.files import parts
from haproxy_telemetry.spop.describe import CaptureError, CaptureLine, describe_frame, parse_capture
from haproxy_telemetry.spop.errors import quoted

LONGEST_RECORD: Final = 8192
"""Bytes of a record that are shown: all that HAProxy writes with the generated ``log`` line."""

_BYTE: Final = re.compile("[0-9a-fA-F]{2}")


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE|HEX|-...")
def decode(sources: tuple[str, ...]) -> None:
    """Put SPOP frames into words.

    A source is a file, "-" for standard input, or hexadecimal digits. Files hold one frame in hexadecimal a
    line, a hex dump with offsets, or the lines of a capture: JSON objects with "hex", "t_offset_ms", "conn",
    "direction" and "event". A malformed frame is described up to its fault. Of a recording of the agent, FILE.1 comes
    first, if it is there.
    """
    for source in _joined(sources):
        line = None
        try:
            for line in parse_capture(_lines(source)):
                click.echo(_words(line))
        except CaptureError as error:
            raise click.ClickException(f"{_name(source)}: {error}") from None
        if line is None:
            raise click.ClickException(f"{_name(source)}: there is no frame in it")


def _joined(sources: Iterable[str]) -> Iterator[str]:
    """Put bytes together that the shell has taken apart: ``decode 67 00 00 00 01``."""
    bytes_so_far: list[str] = []
    for source in sources:
        if _BYTE.fullmatch(source) and not _is_path(source):
            bytes_so_far.append(source)
            continue
        if bytes_so_far:
            yield " ".join(bytes_so_far)
            bytes_so_far = []
        yield source
    if bytes_so_far:
        yield " ".join(bytes_so_far)


def _lines(source: str) -> Iterable[str]:
    """Yield the lines of a source; where no file has its name it can only be hexadecimal itself."""
    if source == "-":
        return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")
    if _is_path(source):
        return _file_lines(Path(source))
    if not _is_hex(source):
        raise click.ClickException(f"{source[:100]} is neither a file nor hexadecimal")
    return [source]


def _is_path(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):  # a long paste is no file name
        return False


def _is_hex(source: str) -> bool:
    return all(char in "0123456789abcdefABCDEFx\\: \t\r\n" for char in source)


def _file_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file, of a recording also those of the file before it.

    Bytes that are no text come out as something that is not hexadecimal.
    """
    for part in parts(path):
        try:
            with part.open(encoding="utf-8", errors="replace") as file:
                yield from file
        except OSError as error:
            raise click.FileError(str(part), error.strerror) from None


def _name(source: str) -> str:
    if source == "-":
        return "standard input"
    return source if _is_path(source) else "the hexadecimal argument"


def _words(line: CaptureLine) -> str:
    """Return one line of a capture: when, where and which way, then the frame or what happened."""
    time = "" if line.time_ms is None else f"+{line.time_ms:.2f} ms"
    head = "  ".join(part for part in (time, line.connection, line.direction) if part)
    if line.record:
        return f"{head}  record {quoted(line.record, LONGEST_RECORD)}"
    if line.event and not line.frame:
        event = "" if line.event == line.direction else line.event
        return f"{head}  {event}".rstrip()
    words = describe_frame(line.frame)
    if line.missing:
        words += f"\n  ! {line.missing} bytes of the frame are missing"
    return f"{head}  {words}" if head else words
