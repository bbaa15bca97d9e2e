"""Where the record is in a log line: behind RFC 3164, RFC 5424, another of HAProxy's headers, or none.

In RFC 5424 it may also be what stands for the structured data (`log-format-sd`), with a log line of the frontend's
own behind it.

The header is matched from the first byte on, never searched for: a line of somebody else may carry our JSON in
a URI or a header that a stranger chose, and must not pass for a record.
"""

from __future__ import annotations

import re
from typing import Final

MARK: Final = b'{"ht":'
"""How every record begins; its number is the version of the format."""

# HAProxy's manual 3.1, "log ... format": rfc3164, local (without host), iso, timed, short, priority, rfc5424, raw.
# Possessive throughout: a line that is not ours costs one pass.
_PRIORITY = rb"(?:<\d{1,3}+>)?"
_TIME = rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.+\-Z]++)"
_HOST = rb"(?:[!-~]++ )?"
_TAG = rb"[!-9;-Z\\^-~]++(?:\[[!-Z\\^-~]*+\])?+: ?"  # the tag may hold neither a colon nor a bracket
_BSD = _TIME + rb" (?:" + _HOST + _TAG + rb")?"
_ELEMENT = rb'\[(?:[^"\]\\]|"(?:[^"\\]|\\.)*+")*+\]'
_FIELDS = rb"1 (?:[!-~]++ ){5}"
"""Version, time, host, program, process and message id."""
_IETF = _FIELDS + rb"(?:-|(?:" + _ELEMENT + rb")++) (?:\xef\xbb\xbf)?"
_HEADER = re.compile(_PRIORITY + rb"(?:" + _IETF + rb"|" + _BSD + rb"|" + _TAG + rb")?(?=" + MARK + rb")", re.DOTALL)

DATA_HEADER: Final = rb"<\d{1,3}+>" + _FIELDS
"""What stands before a record that is the structured data, as a regular expression."""
_BEFORE_DATA = re.compile(DATA_HEADER + rb"(?=" + MARK + rb")")
_DATA = re.compile(rb'\{[^"{}]*+(?:"(?:[^"\\]|\\.)*+"[^"{}]*+)*+\}(?= |$)', re.DOTALL)
_NO_DATA = re.compile(rb"<\d{1,3}+>1 (?:[!-~]++ ){4}-")


def record_of(line: bytes) -> bytes:
    """Return the record of a log line, or ``b""`` if it holds none.

    It is what follows its header; as structured data it ends where its object does, or where the line is cut.
    """
    begin, as_data = _begin(line)
    data = _DATA.match(line, begin) if as_data else None
    return line[begin:] if data is None else data.group()


def record_on(line: bytes) -> bytes:
    """Return a log line from its record on, with whatever is behind it; ``b""`` if it holds none."""
    return line[_begin(line)[0] :]


def _begin(line: bytes) -> tuple[int, bool]:
    """Return where the record begins, the line's end if nowhere, and whether it is structured data."""
    if line.startswith(MARK):
        return 0, False
    before = _BEFORE_DATA.match(line)
    if before is not None:
        return before.end(), True
    header = _HEADER.match(line)
    return len(line) if header is None else header.end(), False


def is_left_out(line: bytes) -> bool:
    """Say whether HAProxy has left the record out: structured data that does not fit is not cut, and all behind it goes
    with it."""
    return _NO_DATA.fullmatch(line) is not None
