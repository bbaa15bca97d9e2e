"""The JSON of a record, read by msgspec: which keys there are, and what is wrong with what cannot be read.

A file of its own, since mypyc cannot compile a class that msgspec fills (see ``hatch_build.py``).
"""

from __future__ import annotations

from typing import Final

import msgspec

from haproxy_telemetry.records.errors import BAD_VALUE, CUT, MISSING_FIELD, NOT_JSON, NOT_OURS, NOT_UTF8, RecordError

VERSION: Final = 1


class Line(msgspec.Struct):
    """The keys as they are written; those without a default stand in every record, in TCP mode too."""

    ht: int
    id: str
    up: str
    t1: str
    T: tuple[str, str, str, str, str, str]
    tc: str
    fe: str
    be: str
    srv: str
    ci: str
    cp: str
    si: str
    sp: str
    B: str
    U: str
    rc: str
    m: str | None = None
    st: str | None = None
    tp: str = ""
    link: str = ""
    ts: str = ""
    t0: str = ""
    v: str = ""
    uri: str = ""
    host: str = ""
    ua: str = ""
    tls: str = ""
    err: str = ""
    held: str = ""
    svc: str = ""


class _Mark(msgspec.Struct):
    """The version alone, for a record whose other keys need not be those of version 1."""

    ht: int


_LINE: Final = msgspec.json.Decoder(Line)
_MARK: Final = msgspec.json.Decoder(_Mark)


def decode(record: bytes) -> Line:
    """Return what a line says, or raise :class:`RecordError`."""
    try:
        record.decode("utf-8")  # msgspec looks into the values it keeps only
    except UnicodeDecodeError as error:
        raise RecordError(CUT if error.reason == "unexpected end of data" else NOT_UTF8) from None
    try:
        line = _LINE.decode(record)
    except msgspec.ValidationError as error:
        raise _invalid(record, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # A lone surrogate is "truncated" to msgspec as well; only a line without its end was cut.
        cut = "truncated" in str(error) and not record.endswith(b"}")
        raise RecordError(CUT if cut else NOT_JSON) from None
    if line.ht != VERSION:
        raise RecordError(NOT_OURS)
    return line


def _invalid(record: bytes, message: str) -> RecordError:
    """Tell what msgspec found wrong; the rest of the record has not been read by then."""
    try:
        version = _MARK.decode(record).ht
    except msgspec.ValidationError:
        return RecordError(NOT_OURS)
    except (msgspec.DecodeError, RecursionError) as error:
        cut = "truncated" in str(error) and not record.endswith(b"}")
        return RecordError(CUT if cut else NOT_JSON)
    if version != VERSION:
        return RecordError(NOT_OURS)
    missing = message.startswith("Object missing required field `")
    key = message.split("`")[1] if missing else message.rpartition("$.")[2].rstrip("`").partition("[")[0]
    return RecordError(MISSING_FIELD if missing else BAD_VALUE, key)
