"""What of a request is written down: values of its query, and the client's address.

OpenTelemetry's conventions ask that what is secret be left out where it can be told (``url.query``, ``url.full``) and
that a key stay when its value is replaced by ``REDACTED``. No list of secret keys is complete, so by default every
value is replaced unless its key is listed as harmless.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from haproxy_telemetry.trace.spans import Attribute, AttributeValue

REDACTED: Final = b"REDACTED"
"""The conventions' word."""

CREDENTIALS: Final = b"REDACTED:REDACTED@"
"""What ``url.full`` says in place of a user's name and password, whichever of them was there."""

SECRET_KEYS: Final = frozenset((b"AWSAccessKeyId", b"Signature", b"sig", b"X-Goog-Signature"))
"""Keys of signed URLs that the conventions name (1.44.0): replaced even where values are kept."""

WHOLE: Final = "whole"
TRUNCATE: Final = "truncate"
HASH: Final = "hash"

_IPV6_KEPT: Final = (1 << 128) - (1 << 80)  # /48
_IPV4_KEPT: Final = (1 << 32) - (1 << 8)  # /24
_HASH_SIZE: Final = 8  # bytes: any two of a million clients look alike with a chance of 1 in 30 million

_AMPERSAND: Final = ord("&")
_SEMICOLON: Final = ord(";")
_PERCENT: Final = ord("%")

QUERY: Final = b"url.query"
URL: Final = b"url.full"
PEER: Final = b"network.peer.address"
GOVERNED: Final = frozenset((QUERY, URL, b"client.address", PEER))


class Privacy(NamedTuple):
    """What may be written down. ``key`` is the secret of ``hash``."""

    keep_queries: bool = False
    allowed: frozenset[bytes] = frozenset()
    """Query keys, decoded, whose values stay in any case."""
    addresses: str = WHOLE
    key: bytes = b""


def shown_query(privacy: Privacy, query: bytes) -> bytes:
    """Return a query (without its ``?``) as it may be written down; keys, order and separators stay.

    A part without ``=`` may be a key or a value, and counts as both: it stays if it is allowed. ``;`` separates as
    ``&`` does, since an application may read it so.
    """
    if _AMPERSAND not in query and _SEMICOLON not in query:
        return _shown_part(privacy, query)
    if _SEMICOLON not in query:
        return b"&".join([_shown_part(privacy, part) for part in query.split(b"&")])
    return b"&".join([b";".join([_shown_part(privacy, one) for one in part.split(b";")]) for part in query.split(b"&")])


def _shown_part(privacy: Privacy, part: bytes) -> bytes:
    key, equals, value = part.partition(b"=")
    if not part or (equals and not value):
        return part
    if privacy.keep_queries or privacy.allowed:
        name = unquote_to_bytes(key) if _PERCENT in key else key
        if name in privacy.allowed or (privacy.keep_queries and name not in SECRET_KEYS):
            return part
    return key + b"=" + REDACTED if equals else REDACTED


def shown_url(privacy: Privacy, url: bytes) -> bytes:
    """Return an absolute URL as it may be written down: its query, and no credentials."""
    address, mark, query = url.partition(b"#")[0].partition(b"?")
    scheme, found, rest = address.partition(b"://")
    if found:
        authority, slash, path = rest.partition(b"/")
        address = scheme + b"://" + shown_authority(authority) + slash + path
    return address + mark + (shown_query(privacy, query) if query else b"")


def shown_authority(authority: bytes) -> bytes:
    """Return an authority whose credentials, if any, are replaced as the conventions write it."""
    _, found, host = authority.rpartition(b"@")
    return CREDENTIALS + host if found else authority


def shown_address(privacy: Privacy, address: bytes) -> bytes:
    """Return a client's address as it may be written down; ``b""`` for what should be changed and is no address.

    ``truncate`` leaves IPv4 its first 24 bits and IPv6 its first 48, a site's; ``hash`` gives 16 hexadecimal digits
    that are the same for the same address and key.
    """
    if privacy.addresses == WHOLE:
        return address
    parsed = _parse(address)
    if parsed is None:
        return b""
    if privacy.addresses == TRUNCATE:
        return _truncated(parsed)
    return blake2b(parsed.packed, digest_size=_HASH_SIZE, key=privacy.key).hexdigest().encode("ascii")


def _parse(address: bytes) -> IPv4Address | IPv6Address | None:
    """Return the address without its zone; IPv4 that came as ::ffff:192.0.2.7 is IPv4."""
    try:
        parsed = ip_address(address.partition(b"%")[0].decode("ascii"))
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _truncated(address: IPv4Address | IPv6Address) -> bytes:
    if isinstance(address, IPv4Address):
        return str(IPv4Address(int(address) & _IPV4_KEPT)).encode("ascii")
    return str(IPv6Address(int(address) & _IPV6_KEPT)).encode("ascii")


def shown_tag(privacy: Privacy, key: bytes, value: AttributeValue) -> AttributeValue | None:
    """Return what a message's tag may say: those that the conventions define for these data obey as well.

    ``None``: it says nothing. Every other tag is its author's own business.
    """
    if key not in GOVERNED or type(value) is not bytes:
        return value
    if key == QUERY:
        return shown_query(privacy, value)
    if key == URL:
        return shown_url(privacy, value)
    return shown_address(privacy, value) or None


def shown_tags(privacy: Privacy, tags: Iterable[Attribute]) -> list[Attribute]:
    """Return the tags of a stream as :func:`shown_tag` has them."""
    shown = [(key, shown_tag(privacy, key, value)) for key, value in tags]
    return [(key, value) for key, value in shown if value is not None]
