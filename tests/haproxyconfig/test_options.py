"""Options that hold, and those that are refused with a sentence that helps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from haproxy_telemetry import haproxyconfig as hc


@pytest.mark.parametrize(
    ("banner", "series", "text"),
    [
        ("HAProxy version 2.6.12-1+deb12u4 2026/01/02 - https://haproxy.org/\nStatus: x\n", (2, 6), "2.6.12-1+deb12u4"),
        ("HA-Proxy version 3.5-dev5-1a2b 2026/08/21\n", (3, 5), "3.5-dev5-1a2b"),
    ],
)
def test_the_version_is_read_from_what_haproxy_says(banner: str, series: tuple[int, int], text: str) -> None:
    assert hc.parse_banner(banner) == hc.Version(series, text)


def test_another_programs_banner_is_none() -> None:
    assert hc.parse_banner("nginx version: nginx/1.22.1\n") is None


@pytest.mark.parametrize("text", ["", "3", "three", "3.2\nglobal", "3.2 x", "2.4.22", "1.8", "2.5"])
def test_what_is_no_version_or_too_old_is_refused(text: str) -> None:
    with pytest.raises(hc.OptionError, match="--haproxy-version"):
        hc.parse_version(text)


def test_a_version_that_nobody_tried_is_noted() -> None:
    assert "newer than any that was tried" in hc.parse_version("3.6").note


@pytest.mark.parametrize("text", ["2.7", "2.9.4", "3.1.0", "3.3", "3.4.1", "3.5-dev5"])
def test_a_series_that_the_tests_do_not_run_is_noted(text: str) -> None:
    assert f"HAProxy {text} " in hc.parse_version(text).note
    assert "they run 2.6, 2.8, 3.0, 3.2" in hc.parse_version(text).note


@pytest.mark.parametrize("text", ["2.6.12-1+deb12u4", "2.8.25", "3.0.11", "3.2.26-1"])
def test_a_series_that_the_tests_run_is_not(text: str) -> None:
    assert hc.parse_version(text).note == ""


@pytest.mark.parametrize(
    "text",
    [
        "inside",
        "!outside trusted-net",
        "{ src 10.0.0.0/8 }",
        "{ src 10.0.0.0/8 } or inside",
        "!{ req.hdr(x-a) -m str 'a # b' } || LOCALHOST",
    ],
)
def test_a_condition_of_acls_is_taken_as_it_is(text: str) -> None:
    assert hc.parse_trust(f" {text} ") == hc.Trust(False, text)


def test_always_and_never_are_words_of_their_own() -> None:
    assert hc.parse_trust("always") == hc.Trust(True)
    assert hc.parse_trust("never").nobody


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is always, never"),
        ("{ src 10.0.0.0/8", "braces"),
        ("src 10.0.0.0/8 }", "braces"),
        ("{ a } }", "braces"),
        ("{ { a } }", "braces"),
        ("{src 10.0.0.0/8}", "no name of an ACL"),
        ("src 10.0.0.0/8", "no name of an ACL"),
        ("a # b", "comment"),
        ("{ a } #", "comment"),
        ("{ hdr(a) 'b }", "no closing quotation"),
        ("a\n    http-request deny", "cannot be printed"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, said: str) -> None:
    with pytest.raises(hc.OptionError, match=said):
        hc.parse_trust(text)


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (hc.parse_agent, "7000", "there is no port"),
        (hc.parse_agent, "127.0.0.1:0", "the port is 0"),
        (hc.parse_agent, "::1:7000", "brackets"),
        (hc.parse_agent, "unix:run/a.sock", "absolute"),
        (hc.parse_agent, "unix:/a\n    server x", "cannot be printed"),
        (hc.parse_origin, "http://a:80", "--origin"),
        (hc.parse_records, "127.0.0.1:7514", "udp:HOST:PORT"),
        (hc.parse_records, "tcp:127.0.0.1:7514", "udp:HOST:PORT"),
        (hc.parse_records, "udp:127.0.0.1", "there is no port"),
        (hc.parse_bind, "80", "there is no port"),
        (hc.parse_bind, ":80x", "the port is no number"),
        (hc.parse_bind, "*:70000", "the port is no number"),
        (hc.parse_bind, "a b:80", "neither a name nor an IP"),
    ],
)
def test_addresses_that_are_none_are_refused(parse: Callable[[str], object], text: str, said: str) -> None:
    with pytest.raises(hc.OptionError, match=said):
        parse(text)


@pytest.mark.parametrize(
    ("text", "bind"),
    [(":80", ":80"), ("*:80", "*:80"), ("[::]:80", "[::]:80"), ("unix:/run/in.sock", "unix@/run/in.sock")],
)
def test_bind_takes_what_haproxy_does(text: str, bind: str) -> None:
    assert hc.parse_bind(text) == bind


@pytest.mark.parametrize("name", ["edge", "eu-1/edge.http", "a" * 64])
def test_a_service_has_a_plain_name(name: str) -> None:
    assert hc.Options(hc.Profile.STANDARD, hc.parse_version("3.2"), service=name).service == name


@pytest.mark.parametrize("name", ["a b", "a\n", 'a"', "a'", "a%b", "a)", "$a", "\u00e9", "a" * 65])
def test_a_service_that_could_break_a_file_is_refused(name: str) -> None:
    with pytest.raises(hc.OptionError, match=r"--service .* up to 64 of"):
        hc.Options(hc.Profile.STANDARD, hc.parse_version("3.2"), service=name)


def test_an_example_cannot_know_an_acl_by_name() -> None:
    example = hc.Example("127.0.0.1:80", hc.parse_origin("127.0.0.1:81"))
    options = {"profile": hc.Profile.STANDARD, "version": hc.parse_version("3.2"), "example": example}
    with pytest.raises(hc.OptionError, match="no acl trusted-net"):
        hc.Options(**options, trust=hc.parse_trust("!trusted-net"))  # type: ignore[arg-type]  # mypy: one type for all
    hc.Options(**options, trust=hc.parse_trust("{ src ::1 } or LOCALHOST"))  # type: ignore[arg-type]  # same
