"""Raw text from the wire as valid UTF-8, which OTLP's string fields must be.

HAProxy promises neither UTF-8 nor ASCII. Valid UTF-8 goes out unchanged; in anything else each offending
byte becomes ``\\xNN``, so that a person still sees what was there and nothing is lost.
"""

from __future__ import annotations


def utf8(raw: bytes) -> bytes:
    """Return ``raw`` as valid UTF-8 bytes; the very same object if it already is."""
    if raw.isascii():
        return raw
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace").encode("utf-8")
    return raw


def to_str(raw: bytes) -> str:
    """Return ``raw`` as ``str``, with the same repair as :func:`utf8`."""
    return raw.decode("utf-8", "backslashreplace")
