"""Placeholders: nothing that a client sent is let through, and a replay gives the same shape."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_telemetry.recorder.pieces import Pieces
from haproxy_telemetry.recorder.redact import Redactor
from haproxy_telemetry.spop.describe import describe_frame
from haproxy_telemetry.spop.frames import parse_header
from haproxy_telemetry.spop.messages import parse_messages
from records.golden import WITH_DATA, as_data
from server.running_agent import made, message
from spop.captures import GOLDEN, VERSIONS, lines_of

R = Redactor(b"a key of a test!")
TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"


def scenarios() -> list[tuple[str, str]]:
    return [(version, path.stem) for version in VERSIONS for path in sorted((GOLDEN / version).glob("*.jsonl"))]


@pytest.mark.parametrize(("version", "scenario"), scenarios())
def test_a_frame_stays_as_long_and_as_valid_as_it_was(version: str, scenario: str) -> None:
    """Every frame of every capture, both ways: the same words about it but for the values."""
    for line in lines_of(version, scenario):
        frame = line.frame[4:]
        shown = R.frame(frame)
        assert len(shown) == len(frame)
        if any(words in describe_frame(frame) for words in (" no FIN", "UNSET", "frame type")):
            continue  # pieces, and what no language knows: nothing of them is let through
        before, after = describe_frame(frame).splitlines(), describe_frame(shown).splitlines()
        if "!" not in before[-1]:
            assert [text.partition(" = ")[0] for text in before] == [text.partition(" = ")[0] for text in after]
            kinds = re.compile(r" = (\w+)")
            assert [kinds.findall(text)[:1] for text in before] == [kinds.findall(text)[:1] for text in after]


def redacted(*arguments: tuple[bytes, bytes], name: bytes = b"opentracing:x") -> list[tuple[bytes, object]]:
    frame = made(3, message(*arguments, name=name))[4:]
    shown = R.frame(frame)
    [told] = parse_messages(shown, parse_header(shown).payload_at)
    assert told.name == name
    return list(told.arguments)


def test_names_stay_and_values_do_not() -> None:
    told = redacted(
        (b"id", b"jo@example.org-7"),
        (b"span", b"Frontend HTTP request"),
        (b"child-of", b"Client session"),
        (b"tag", b"url.path"),
        (b"", b"/users/Jo"),
        (b"", b"?q=1"),
        (b"tag", b"http.request.method"),
        (b"", b"GET"),
        (b"log", b"cookie"),
        (b"", b"secret"),
        (b"finish", b"*"),
    )
    assert [name for name, _ in told] == [
        *(b"id", b"span", b"child-of", b"tag", b"", b"", b"tag", b"", b"log", b"", b"finish")
    ]
    values = [value for _, value in told]
    assert values[1:4] == [b"Frontend HTTP request", b"Client session", b"url.path"]
    assert values[6:9] == [b"http.request.method", b"GET", b"cookie"]
    assert values[10] == b"*"
    for before, after in (
        (b"jo@example.org-7", values[0]),
        (b"/users/Jo", values[4]),
        (b"?q=1", values[5]),
        (b"secret", values[9]),
    ):
        assert after != before
        assert isinstance(after, bytes)
        assert [chr(byte).isalnum() for byte in after] == [chr(byte).isalnum() for byte in before]


def test_facts_of_the_standard_profile() -> None:
    told = dict(
        redacted((b"id", b"abc-123"), (b"m", b"GET"), (b"uri", b"/a"), (b"ua", b"curl/8"), name=b"otel:request")
    )
    assert told[b"m"] == b"GET"
    assert {told[b"uri"], told[b"ua"], told[b"id"]}.isdisjoint({b"/a", b"curl/8", b"abc-123"})


def test_a_message_in_another_language_keeps_nothing() -> None:
    assert redacted((b"anything", b"secret"), name=b"check-ip")[0][1] != b"secret"


def test_the_same_value_is_the_same_placeholder_and_another_key_gives_another() -> None:
    assert R.text(b"id", b"abc-123-def") == R.text(b"tag", b"abc-123-def") != R.text(b"id", b"abc-123-deg")
    assert Redactor(b"other").text(b"id", b"abc-123-def") != R.text(b"id", b"abc-123-def")


def test_of_ids_only_the_ids_change_and_they_are_the_same_everywhere() -> None:
    header = R.text(b"traceparent", b"00-" + TRACE + b"-" + SPAN + b"-00")
    found = re.fullmatch(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-00", header)
    assert found
    assert (found[1], found[2]) == (R.text(b"trace_id", TRACE), R.text(b"x-b3-spanid", SPAN))
    assert found[1] != TRACE
    assert R.text(b"b3", TRACE + b"-" + SPAN + b"-d") == found[1] + b"-" + found[2] + b"-d"
    assert R.text(b"uber-trace-id", TRACE + b":" + SPAN + b":0:1") == found[1] + b":" + found[2] + b":0:1"
    assert R.text(b"traceparent", b"00-" + b"0" * 32 + b"-" + SPAN + b"-01")[:36] == b"00-" + b"0" * 32 + b"-"
    assert b"hello" not in R.text(b"traceparent", b"00-hello")


def test_addresses_and_binary_values_do_not_stay() -> None:
    payload = message((b"id", b"1"))[:-1] + b"1"
    pairs = (
        b"\x0eopentracing:xy\x03"
        + b"\x02id\x08\x011"
        + b"\x02ip\x06\x0a\x01\x02\x03"
        + b"\x03bin\x09\x04\x00\xff\x00\xff"
    )
    shown = R.frame(made(3, pairs)[4:])
    assert payload
    assert b"\x0a\x01\x02\x03" not in shown
    assert b"\x00\xff\x00\xff" not in shown
    assert len(parse_messages(shown, 7)[0].arguments) == 3


def test_what_cannot_be_read_is_not_let_through() -> None:
    frame = made(3, message((b"id", b"1"), (b"x", b"secret"))[:-1])[4:]
    assert b"secre" not in R.frame(frame)
    assert b"secret" not in R.frame(made(77, b"secret")[4:])
    assert b"secret" not in R.frame(made(0, b"secret")[4:])
    assert R.frame(b"\x03") == b"?"
    assert b"secret" not in R.record(b"<134>haproxy[1]: GET /secret")
    assert b"secret" not in R.record(b'{"ht":1,"uri":"/"} GET /secret')


@given(st.binary(max_size=200))
def test_any_bytes_give_as_many_bytes(data: bytes) -> None:
    assert len(R.frame(data)) == len(data)
    assert len(R.payload(data)) == len(data)
    R.record(data)


@pytest.mark.parametrize("version", ["2.6.12", "3.0.0"])
def test_pieces_are_redacted_together(version: str) -> None:
    """A value that begins in one piece and ends in another: what comes out is the whole message with placeholders."""
    pieces, payload, original = Pieces(), b"", b""
    for line in lines_of(version, "frag-256-cap"):
        if line.direction != "H>A":
            continue
        frame = line.frame[4:]
        header = parse_header(frame)
        for _, shown in pieces.take(0, frame, R):
            if header.type in (0, 3):
                payload += shown[parse_header(shown).payload_at :]
        if header.type in (0, 3):
            original += frame[header.payload_at :]
    before, after = parse_messages(original, 0), parse_messages(payload, 0)
    assert len(payload) == len(original)
    assert [[name for name, _ in one.arguments] for one in before] == [
        [name for name, _ in one.arguments] for one in after
    ]
    assert payload != original


@pytest.mark.parametrize("version", WITH_DATA)
def test_of_a_line_with_a_log_behind_its_record_the_record_is_left(version: str) -> None:
    for [datagram] in as_data(version).values():
        text = datagram[datagram.index(b"{") :].decode()
        record = text[: json.JSONDecoder().raw_decode(text)[1]].encode()
        assert R.record(datagram + b"\n") == R.record(record + b"\n") != b"?" * len(record) + b"\n"


def test_a_record_keeps_its_shape() -> None:
    line = {
        "ht": 1,
        "id": "7f3b-1",
        "up": f"00-{TRACE.decode()}-{SPAN.decode()}-01",
        "tp": "-",
        "t1": "1795468800158397",
        "T": ["0", "0", "0", "0", "0", "0"],
        "st": "200",
        "m": "GET",
        "uri": "/items?id=7",
        "ci": "10.1.2.3",
        "ua": "curl/8 \x1b[2J Jörg",
        "fe": "web",
        "further": {"a": "secret"},
    }
    shown = json.loads(
        R.record(b"<134>Nov 23 21:20:00 host haproxy[1]: " + json.dumps(line).encode() + b"\n").rstrip(b"\n")
    )
    assert {key: shown[key] for key in ("ht", "tp", "t1", "T", "st", "m", "fe")} == {
        key: line[key] for key in ("ht", "tp", "t1", "T", "st", "m", "fe")
    }
    assert shown["up"] == R.text(b"up", str(line["up"]).encode()).decode()
    assert shown["id"] == R.text(b"id", b"7f3b-1").decode()
    for key in ("uri", "ci", "ua", "further"):
        assert shown[key] != line[key]
    assert "secret" not in json.dumps(shown)
