"""Where the record begins in a log line: behind RFC 3164, RFC 5424, another of HAProxy's headers, or none.

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
_IETF = rb"1 (?:[!-~]++ ){5}(?:-|(?:" + _ELEMENT + rb")++) (?:\xef\xbb\xbf)?"
_HEADER = re.compile(_PRIORITY + rb"(?:" + _IETF + rb"|" + _BSD + rb"|" + _TAG + rb")?(?=" + MARK + rb")", re.DOTALL)


def strip_header(line: bytes) -> bytes:
    """Return the record of a log line, from its first brace on, or ``b""`` if it holds none."""
    if line.startswith(MARK):
        return line
    match = _HEADER.match(line)
    return b"" if match is None else line[match.end() :]
