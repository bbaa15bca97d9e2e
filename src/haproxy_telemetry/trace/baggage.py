"""W3C Baggage: the caller's items and the configuration's own, in one header that goes upstream.

https://www.w3.org/TR/baggage/ section 3.2. Values are percent-encoded on the wire; properties behind a ``;``
are not carried on. A member that breaks the rules is left out, the others stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

MAX_BYTES: Final = 8192
MAX_MEMBERS: Final = 64
"""What section 3.3.2 asks every platform to carry; more than that is left out, from the end."""

MAX_MEMBER_BYTES: Final = 4096
"""Name and value of one member: half of the header, so that one cannot crowd out all others."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_UNQUOTED: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"


def _kept(plain: Callable[[bytes], bool]) -> bytes:
    """Return a table for ``bytes.translate`` that leaves a text as it is if all of its bytes are ``plain``."""
    return bytes(byte if plain(bytes((byte,))) else ord("A") for byte in range(256))


# A look at a table is much quicker than a regular expression, and nearly all names and values are what these keep.
_TOKENS: Final = _kept(lambda byte: _TOKEN.fullmatch(byte) is not None)
_PLAIN: Final = _kept(lambda byte: quote_from_bytes(byte, _UNQUOTED)[0] != "%")


def parse_baggage(text: bytes) -> dict[bytes, bytes]:
    """Return the members of a header, decoded, by name. Properties are not kept."""
    members: dict[bytes, bytes] = {}
    if len(text) > MAX_BYTES:
        return members
    for part in text.split(b",")[:MAX_MEMBERS]:
        name, found, value = part.partition(b";")[0].partition(b"=")
        name, value = name.strip(b" \t"), value.strip(b" \t")
        if found and _TOKEN.fullmatch(name) and _VALUE.fullmatch(value):
            members[name] = unquote_to_bytes(value)
    return members


def format_baggage(members: Mapping[bytes, bytes]) -> bytes:
    """Return the header value; members past the limits, and names that are no token, are left out."""
    parts: list[bytes] = []
    size = 0
    for name, value in members.items():
        part = _member(name, value)
        if not part:
            continue
        size += len(part) + 1
        if size > MAX_BYTES + 1 or len(parts) == MAX_MEMBERS:
            break
        parts.append(part)
    return b",".join(parts)


def _member(name: bytes, value: bytes) -> bytes:
    """Return one member of the header, ``b""`` if its name is no token."""
    if not name or name.translate(_TOKENS) != name:
        return b""
    plain = value.translate(_PLAIN) == value
    return name + b"=" + (value if plain else quote_from_bytes(value, _UNQUOTED).encode("ascii"))
