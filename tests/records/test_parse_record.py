"""What HAProxy's lines say, with each of its headers and each of its ways to say "nothing"."""

from __future__ import annotations

import json

import pytest

from haproxy_telemetry.records import RecordError, parse_datagram, parse_record
from haproxy_telemetry.records.parse import MAX_LINES, read_datagram
from haproxy_telemetry.trace.stream import EndOfStream, Identity, Request, Timers
from records.golden import VERSIONS, WITH_DATA, as_data, lines, stream

CALLER = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PLAIN = {
    "ht": 1,
    "id": "an-id",
    "up": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tp": "",
    "link": "-",
    "ts": "",
    "t0": "1700000000000000",
    "t1": "1700000000250000",
    "T": ["10", "20", "30", "40", "260", "260"],
    "st": "200",
    "tc": "----",
    "fe": "web",
    "be": "origin",
    "srv": "s1",
    "ci": "192.0.2.7",
    "cp": "4711",
    "si": "2001:db8::1",
    "sp": "8443",
    "B": "1234",
    "U": "56",
    "rc": "0",
    "m": "GET",
    "v": "HTTP/1.1",
    "uri": "/a?b=c",
    "host": "shop.example",
    "ua": "probe/1",
    "tls": "1",
    "err": "",
}


def written(**changes: object) -> bytes:
    """The line with other values; None takes a key away."""
    values = {key: value for key, value in {**PLAIN, **changes}.items() if value is not None}
    return json.dumps(values, separators=(",", ":")).encode()


def error_of(data: bytes) -> tuple[str, str]:
    with pytest.raises(RecordError) as caught:
        parse_record(data)
    return caught.value.reason, caught.value.field


def test_a_whole_line() -> None:
    ms = 1_000_000
    assert parse_record(written()) == EndOfStream(
        key=b"an-id",
        identity=Identity(upstream=b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        request=Request(
            b"GET", b"/a?b=c", b"https", b"HTTP/1.1", b"shop.example", b"probe/1", b"192.0.2.7", 4711, b"web"
        ),
        start_ns=1_700_000_000_000_000_000 - 10 * ms,
        end_ns=1_700_000_000_250_000_000,
        timers=Timers(10 * ms, 20 * ms, 30 * ms, 40 * ms, 260 * ms),
        status=200,
        termination=b"----",
        backend=b"origin",
        server=b"s1",
        server_address=b"2001:db8::1",
        server_port=8443,
        bytes_received=56,
        bytes_sent=1234,
        retries=0,
        redispatched=False,
        spoe_error=0,
        tcp=False,
    )


@pytest.mark.parametrize(("written_as", "ns"), [("", None), ("-", None), ("0", 0), ("21", 21_000_000)])
def test_how_long_events_held_the_stream_up(written_as: str, ns: int | None) -> None:
    assert parse_record(written(held=written_as)).spoe_ns == ns


def test_the_service_is_the_agents_unless_the_record_says_another() -> None:
    assert (parse_record(written()).service, parse_record(written(svc="edge")).service) == (b"", b"edge")


# Start and end


def test_without_the_moment_of_the_headers_the_start_is_the_active_time_before_the_end() -> None:
    assert parse_record(written(t0="-")).start_ns == 1_699_999_999_990_000_000


def test_without_tr_too() -> None:
    assert parse_record(written(T=["-1", "-1", "-1", "-1", "100", "100"])).start_ns == 1_700_000_000_150_000_000


def test_a_wait_for_the_body_that_tr_includes_is_not_before_the_headers() -> None:
    """`http-request wait-for-body`: t0 is when the headers were in, TR lasts until the body was."""
    end = parse_record(written(T=["200", "0", "0", "10", "250", "250"]))
    assert end.start_ns == 1_700_000_000_000_000_000
    assert end.timers.request == 200_000_000


def test_a_start_is_never_behind_the_end() -> None:
    end = parse_record(written(t0="1700000001000000"))
    assert end.start_ns == end.end_ns


def test_a_timer_of_minus_one_never_ran() -> None:
    assert parse_record(written(T=["0", "5", "-1", "-1", "6", "6"])).timers == Timers(
        0, 5_000_000, None, None, 6_000_000
    )


# HAProxy's own lines


@pytest.mark.parametrize("version", VERSIONS)
def test_every_line_of_haproxy_is_a_stream(version: str) -> None:
    for scenario, datagrams in lines(version).items():
        for datagram in datagrams:
            for end_of_line in (b"", b"\n", b"\r\n", b"\0", b"\n\0"):
                (end,) = parse_datagram(datagram + end_of_line)
                assert isinstance(end, EndOfStream), scenario


@pytest.mark.parametrize("version", VERSIONS)
def test_the_three_headers_hide_the_same_record(version: str) -> None:
    raw, rfc3164, rfc5424 = lines(version)["get"]
    assert raw.startswith(b"{")
    assert rfc3164.startswith(b"<142>")
    assert rfc5424.startswith(b"<150>1 ")
    assert parse_record(raw) == parse_record(rfc3164) == parse_record(rfc5424)


@pytest.mark.parametrize("version", WITH_DATA)
def test_structured_data_is_the_same_record_and_what_is_behind_it_says_nothing(version: str) -> None:
    """From 2.6 to 3.0 a frontend has a log of its own beside the record so."""
    found = as_data(version)
    assert len(found) == 11
    for [datagram] in found.values():
        head, brace, rest = datagram.partition(b"{")
        size = json.JSONDecoder().raw_decode((brace + rest).decode())[1]
        record, own = (brace + rest)[:size], rest[size - 1 :]
        assert own.startswith(b" 127.0.0.1:")
        end = parse_record(record)
        for changed in (own, own + b"\n", b"", b" ", b' {"ht":1,"id":"another"}', b' "}', own[:40]):
            assert parse_datagram(head + record + changed) == [end]
            assert read_datagram(head + record + changed) == [end]
        assert errors_of(head + record[:-1]) == {"cut"}
        assert errors_of(head + record + own[1:]) == {"not_json"}


@pytest.mark.parametrize("version", WITH_DATA)
def test_structured_data_that_does_not_fit_is_counted_as_cut(version: str) -> None:
    """HAProxy leaves it out, and its own line with it: 2.6.12 wrote the first, with `len 150`."""
    for datagram in (b"<134>1 2026-11-30T10:50:31.123456+00:00 - haproxy 3479 - \n", *as_data(version)["get"]):
        head = datagram.partition(b"{")[0].rstrip(b"\n")
        for end in (b"", b"\n", b"\n\0"):
            assert errors_of(head + end) == {"cut"}
    assert errors_of(b"<134>1 2026-11-30T10:50:31.123456+00:00 - haproxy 3479 - - Connect from 127.0.0.1:1") == {
        "not_ours"
    }
    assert errors_of(b'1 GET /x a b c {"ht":1}') == {"not_ours"}


def errors_of(datagram: bytes) -> set[str]:
    return {one.reason if isinstance(one, RecordError) else "a stream" for one in parse_datagram(datagram)}


@pytest.mark.parametrize("version", VERSIONS)
def test_text_arrives_as_the_client_sent_it(version: str) -> None:
    request = stream(version, "strange-text").request
    assert request.target == b'/a%22%E4?q="b\\c'
    assert request.user_agent == b'tab\there "q" \\ \xc3\xa4'


@pytest.mark.parametrize("version", VERSIONS)
def test_callers_are_told_apart(version: str) -> None:
    trusted = stream(version, "trusted-caller").identity
    assert (trusted.caller, trusted.untrusted, trusted.tracestate) == (CALLER, b"", b"vendor=1,other=2")
    assert trusted.upstream[:36] == CALLER[:36]
    untrusted = stream(version, "untrusted-caller").identity
    assert (untrusted.caller, untrusted.untrusted, untrusted.tracestate) == (b"", CALLER, b"")


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_empty_and_no_number_is_zero(version: str) -> None:
    end = stream(version, "half-request")
    assert end.key == b""
    assert end.identity == Identity()
    assert end.request.replaced(client_port=0) == Request(scheme=b"http", client_address=b"127.0.0.1", frontend=b"web")
    assert (end.server, end.server_address, end.server_port) == (b"", b"", 0)
    assert end.timers == Timers(None, None, None, None, end.timers.active)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scenario", ["no-server", "deny", "redirect", "stats", "queue-timeout"])
def test_no_server_has_no_name(version: str, scenario: str) -> None:
    assert stream(version, scenario).server == b""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cache_hit_has_no_server_either(version: str) -> None:
    assert [stream(version, "cache", number).server for number in (0, 1)] == [b"s1", b""]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_status_is_zero(version: str) -> None:
    assert stream(version, "reject").status == 0
    assert stream(version, "deny").status == 403


@pytest.mark.parametrize("version", VERSIONS)
def test_retries_and_redispatch(version: str) -> None:
    refused = stream(version, "refused")
    assert (refused.retries, refused.redispatched) == (2, True)
    tcp = stream(version, "tcp-refused")
    assert (tcp.retries, tcp.redispatched) == (2, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_numbers_that_were_logged_early_have_a_plus(version: str) -> None:
    early = stream(version, "logasap")
    assert early.bytes_sent == 59
    assert early.timers.active < 200_000_000


@pytest.mark.parametrize("version", VERSIONS)
def test_tcp_mode_is_known_by_the_missing_method(version: str) -> None:
    end = stream(version, "tcp")
    assert (end.tcp, end.status, end.termination) == (True, 0, b"--")
    assert end.timers.request is None
    assert end.timers.response is None


@pytest.mark.parametrize("version", VERSIONS)
def test_ipv6(version: str) -> None:
    assert stream(version, "ipv6").request.client_address == b"::1"


# Headers that a relay or another `format` writes

RECORD = written()


@pytest.mark.parametrize(
    "header",
    [
        b"<134>",
        b"haproxy[12]: ",
        b"<134>haproxy[12]: ",
        b"<134>Nov  3 01:02:03 haproxy: ",
        b"<134>Nov 23 21:15:25 proxy-1.example haproxy[947]: ",
        b"<134>2026-11-23T21:15:25.367945+00:00 proxy-1 haproxy[947]: ",
        b"2026-11-23T21:15:25.367945+00:00 proxy-1 haproxy[947]: ",
        b"2026-11-23T21:15:25.367945Z ",
        b"<150>1 2026-11-23T21:15:25.367945+00:00 proxy-1 haproxy 947 - - ",
        b"<150>1 - - - - - - \xef\xbb\xbf",
        b'<150>1 - p h 1 m [a@1 k="v"][b x="\\"]" y="\xc3\xa4"] ',
    ],
)
def test_a_header_is_taken_off(header: bytes) -> None:
    assert parse_record(header + RECORD) == parse_record(RECORD)


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"hello",
        b'{"level":"info"}',
        b'<134>Nov 23 21:15:25 haproxy[947]: 127.0.0.1:4711 [23/Nov/2026] web origin/s1 0/0/0/0/0 200 "GET /' + RECORD,
        b"<134>Nov 23 21:15:25 proxy-1 haproxy[947]: GET /" + RECORD,
        b'<150>1 - p h 1 m [a k="' + RECORD,
        b"<150>1 - p h 1 m - GET /" + RECORD,
        b"127.0.0.1: a request for " + RECORD,
        b"x" * 60_000 + RECORD,
        b"<150>1 - p h 1 m " + b'[a k="\\"' * 5_000 + RECORD,
    ],
)
def test_what_is_not_ours_is_left_alone_even_where_it_quotes_a_record(foreign: bytes) -> None:
    assert error_of(foreign) == ("not_ours", "")


def test_another_version_of_the_record_is_not_ours() -> None:
    assert error_of(b'{"ht":2,"other":"keys"}') == ("not_ours", "")
    assert error_of(written(ht=2)) == ("not_ours", "")


# What is wrong is named


def test_a_cut_line_names_the_fix() -> None:
    with pytest.raises(RecordError, match=r"log ADDRESS len 16384") as caught:
        parse_record(RECORD[:300])
    assert caught.value.reason == "cut"


def test_a_line_cut_inside_a_character_is_cut() -> None:
    data = json.dumps({**PLAIN, "ua": "ä"}, separators=(",", ":"), ensure_ascii=False).encode()
    assert error_of(data[: data.index("ä".encode()) + 1])[0] == "cut"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (RECORD.replace(b"probe/1", b"pro\tbe"), "not_json"),
        (RECORD.replace(b"probe/1", b'pro"be'), "not_json"),
        (RECORD.replace(b"probe/1", b"\\ud800"), "not_json"),
        (RECORD + b"}", "not_json"),
        (RECORD.replace(b"probe/1", b"pro\xffbe"), "not_utf8"),
        (RECORD.replace(b'"err":""', b'"other":"\xff"'), "not_utf8"),
        (RECORD + b" " * 70_000, "too_long"),
    ],
)
def test_a_line_that_cannot_be_read(data: bytes, reason: str) -> None:
    assert error_of(data) == (reason, "")


@pytest.mark.parametrize(
    "key", ["id", "up", "t1", "T", "tc", "fe", "be", "srv", "ci", "cp", "si", "sp", "B", "U", "rc", "st"]
)
def test_a_missing_key_is_named(key: str) -> None:
    assert error_of(written(**{key: None})) == ("missing_field", key)


@pytest.mark.parametrize("key", ["tp", "link", "ts", "t0", "v", "uri", "host", "ua", "tls", "err", "svc", "held"])
def test_a_key_that_may_be_missing(key: str) -> None:
    assert parse_record(written(**{key: None})).key == b"an-id"


def test_keys_that_nobody_knows_are_passed_over() -> None:
    assert parse_record(written(mine={"deep": [1, 2]})) == parse_record(RECORD)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", 7),
        ("T", ["1", "2"]),
        ("T", ["1", "2", "3", "4", "x", "6"]),
        ("T", ["1", "2", "3", "4", "-1", "6"]),
        ("T", ["1", "-x", "3", "4", "5", "6"]),
        ("T", ["99999999999", "2", "3", "4", "5", "6"]),
        ("t1", ""),
        ("t1", "-1"),
        ("t1", "9" * 19),
        ("t0", "soon"),
        ("st", "2000"),
        ("st", "٣٠٣"),
        ("tc", "x"),
        ("tc", "CD---"),
        ("tc", "\u00e9\u00e9"),
        ("cp", "70000"),
        ("sp", "-1"),
        ("B", "9" * 5_000),
        ("rc", "+"),
        ("err", "x"),
        ("held", "0.5"),
    ],
)
def test_a_value_that_haproxy_does_not_write_is_named(key: str, value: object) -> None:
    assert error_of(written(**{key: value})) == ("bad_value", key)


def test_markup_in_a_header_is_a_header() -> None:
    assert parse_record(written(ua="<NOSRV>", host="<x>")).request.user_agent == b"<NOSRV>"


# Several lines in one datagram


def test_each_line_of_a_datagram_counts_for_itself() -> None:
    found = parse_datagram(RECORD + b"\nsomething else\n\n<134>" + written(id="second") + b"\n\0")
    assert [one.reason if isinstance(one, RecordError) else one.key for one in found] == [
        b"an-id",
        "not_ours",
        b"second",
    ]


@pytest.mark.parametrize("empty", [b"", b"\n", b"\0", b"\r\n\r\n"])
def test_an_empty_datagram_is_counted_too(empty: bytes) -> None:
    assert [str(one) for one in parse_datagram(empty)] == [str(RecordError("not_ours"))]


def test_the_number_of_lines_is_bounded() -> None:
    found = parse_datagram(b"x\n" * (MAX_LINES + 50))
    assert [one.reason for one in found if isinstance(one, RecordError)] == ["not_ours"] * MAX_LINES + ["too_long"]


def test_a_datagram_beyond_the_limit_is_not_looked_into() -> None:
    assert [str(one) for one in parse_datagram(RECORD + b"\n" * 65_536)] == [str(RecordError("too_long"))]
