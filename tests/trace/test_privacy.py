"""What of a request is written down: queries and client addresses, and nothing of what is hidden gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_telemetry.trace.conventions import Conventions
from haproxy_telemetry.trace.privacy import (
    HASH,
    TRUNCATE,
    WHOLE,
    Privacy,
    shown_address,
    shown_query,
    shown_tag,
    shown_url,
)

DEFAULT = Privacy()
PAGES = Privacy(allowed=frozenset((b"page", b"filter[name]")))
KEEP = Privacy(keep_queries=True)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"page=2", b"page=2"),
        (b"token=abc", b"token=REDACTED"),
        (b"page=2&token=abc&page=3", b"page=2&token=REDACTED&page=3"),
        (b"page=2;token=abc", b"page=2;token=REDACTED"),
        (b"page=1&a=1;b=2;page=3&c", b"page=1&a=REDACTED;b=REDACTED;page=3&REDACTED"),
        (b"a=b=c", b"a=REDACTED"),
        (b"a=", b"a="),
        (b"=secret", b"=REDACTED"),
        (b"secret", b"REDACTED"),
        (b"page", b"page"),
        (b"&&a=1&", b"&&a=REDACTED&"),
        (b"Page=2", b"Page=REDACTED"),
        (b"filter[name]=x", b"filter[name]=x"),
        (b"filter%5Bname%5d=x", b"filter%5Bname%5d=x"),
        (b"p%61ge=2", b"p%61ge=2"),
        (b"p%2=2&%zz=3", b"p%2=REDACTED&%zz=REDACTED"),
        (b"\xff\x00=\xfe", b"\xff\x00=REDACTED"),
        (b"u=http://x?page=2", b"u=REDACTED"),
    ],
)
def test_values_are_replaced_but_for_those_that_are_allowed(query: bytes, shown: bytes) -> None:
    assert shown_query(PAGES, query) == shown


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"a=1&b", b"a=1&b"),
        (b"q=OpenTelemetry&sig=abc", b"q=OpenTelemetry&sig=REDACTED"),
        (b"s%69g=abc", b"s%69g=REDACTED"),
        (
            b"AWSAccessKeyId=a&Signature=b&X-Goog-Signature=c&Sig=d",
            b"AWSAccessKeyId=REDACTED&Signature=REDACTED&X-Goog-Signature=REDACTED&Sig=d",
        ),
    ],
)
def test_where_values_are_kept_those_of_signed_urls_are_not(query: bytes, shown: bytes) -> None:
    """The keys and the first example are those of the conventions' page about ``url.query``."""
    assert shown_query(KEEP, query) == shown


def test_who_names_a_signed_urls_key_gets_it() -> None:
    assert shown_query(KEEP._replace(allowed=frozenset((b"sig",))), b"sig=1") == b"sig=1"


HOSTILE = st.one_of(
    st.binary(max_size=80),
    st.lists(st.sampled_from([b"a", b"=", b"&", b";", b"%", b"%3D", b"page", b"\x00", b"\xff", b"?", b"#"])).map(
        b"".join
    ),
)


@given(HOSTILE)
def test_keys_and_separators_stay_and_no_value_does(query: bytes) -> None:
    shown = shown_query(DEFAULT, query)
    assert [b"&;".find(bytes([c])) for c in shown if c in b"&;"] == [
        b"&;".find(bytes([c])) for c in query if c in b"&;"
    ]
    for before, after in zip(_parts(query), _parts(shown), strict=True):
        key, equals, value = before.partition(b"=")
        assert after == (key + equals + (b"REDACTED" if value else b"") if equals else b"REDACTED" if key else b"")
    assert shown_query(DEFAULT, shown) == shown


def _parts(query: bytes) -> list[bytes]:
    return query.replace(b";", b"&").split(b"&")


@pytest.mark.parametrize(
    "query", [b"a=" * 10_000, b"&" * 20_000, b"a;" * 10_000, b"%" * 20_000 + b"=1", b"\xff" * 20_000]
)
def test_twenty_kilobytes_are_a_query_as_any_other(query: bytes) -> None:
    assert b"1" not in shown_query(PAGES, query)
    assert shown_query(Privacy(keep_queries=True), query) == query


# URLs


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (b"https://x/a?b=c", b"https://x/a?b=REDACTED"),
        (b"https://x/a?b=c#d=e", b"https://x/a?b=REDACTED"),
        (b"https://username:password@www.example.com/", b"https://REDACTED:REDACTED@www.example.com/"),
        (b"https://me@x", b"https://REDACTED:REDACTED@x"),
        (b"https://me:p/w@x/", b"https://me:p/w@x/"),  # the authority is "me:p": there is no credential in it
        (b"http://x/@a", b"http://x/@a"),
        (b"http://x?a@b", b"http://x?REDACTED"),
        (b"/a?b=c", b"/a?b=REDACTED"),
        (b"/a?", b"/a?"),
        (b"", b""),
    ],
)
def test_a_url_has_neither_credentials_nor_values(url: bytes, shown: bytes) -> None:
    assert shown_url(DEFAULT, url) == shown


# Addresses


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (b"192.0.2.7", b"192.0.2.0"),
        (b"255.255.255.255", b"255.255.255.0"),
        (b"2001:db8:1:2:3:4:5:6", b"2001:db8:1::"),
        (b"::1", b"::"),
        (b"fe80::1%eth0", b"fe80::"),
        (b"::ffff:192.0.2.7", b"192.0.2.0"),
        (b"192.0.2.7:80", b""),
        (b"a.host", b""),
        (b"\xff", b""),
        (b"", b""),
    ],
)
def test_a_truncated_address_is_a_site(address: bytes, shown: bytes) -> None:
    assert shown_address(Privacy(addresses=TRUNCATE), address) == shown


def test_a_hash_is_the_same_for_the_same_address_and_key() -> None:
    one, other = (Privacy(addresses=HASH, key=key) for key in (b"a" * 32, b"b" * 32))
    hashed = shown_address(one, b"192.0.2.7")
    assert len(hashed) == 16
    assert set(hashed) <= set(b"0123456789abcdef")
    assert shown_address(one, b"::ffff:192.0.2.7") == hashed
    assert shown_address(one, b"2001:db8::1") == shown_address(one, b"2001:DB8:0::0:1")
    assert len({hashed, shown_address(one, b"192.0.2.8"), shown_address(other, b"192.0.2.7")}) == 3
    assert shown_address(one, b"no address") == b""


@given(st.binary(max_size=50), st.sampled_from([WHOLE, TRUNCATE, HASH]))
def test_any_bytes_are_an_address_or_nothing(address: bytes, how: str) -> None:
    shown = shown_address(Privacy(addresses=how, key=b"k"), address)
    assert shown == address if how == WHOLE else shown.isascii()


# Whoever makes the attribute


def test_tags_of_these_names_obey_too_and_others_are_their_authors() -> None:
    strict = Privacy(addresses=TRUNCATE)
    assert shown_tag(strict, b"url.query", b"a=1") == b"a=REDACTED"
    assert shown_tag(strict, b"url.full", b"http://x/?a=1") == b"http://x/?a=REDACTED"
    assert shown_tag(strict, b"client.address", b"192.0.2.7") == b"192.0.2.0"
    assert shown_tag(strict, b"network.peer.address", b"somebody") is None
    assert shown_tag(strict, b"my.query", b"a=1") == b"a=1"
    assert shown_tag(strict, b"url.query", True) is True


def test_conventions_have_privacy_by_default() -> None:
    assert Conventions().privacy == Privacy() == (False, frozenset(), WHOLE, b"")
