"""Frames in words, both sides', whole and broken; and the input that ``decode`` reads."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_telemetry.spop.describe import CaptureError, CaptureLine, describe_frame, parse_capture
from spop.captures import VERSIONS, every_scenario, frames_from_haproxy, frames_to_haproxy, lines_of


def words(frames: list[bytes], frame_type: int) -> list[str]:
    frame = next(frame for frame in frames if frame[4] == frame_type)
    return describe_frame(frame[4:]).splitlines()


def test_a_hello_in_words() -> None:
    assert words(frames_from_haproxy("2.6.12", "hc-spop-check"), 1) == [
        "HAPROXY-HELLO stream 0 frame 0 FIN, 78 bytes",
        '  "supported-versions" = STRING "2.0"',
        '  "max-frame-size" = UINT32 16380',
        '  "capabilities" = STRING ""',
        '  "healthcheck" = BOOL true',
    ]


def test_a_disconnect_has_its_status_in_words() -> None:
    assert words(frames_from_haproxy("2.6.12", "idle"), 2) == [
        "HAPROXY-DISCONNECT stream 0 frame 0 FIN, 49 bytes",
        '  "status-code" = UINT32 2 (a timeout occurred)',
        '  "message" = STRING "a timeout occurred"',
    ]
    assert any("200 (a code that SPOE.txt does not assign)" in line for line in _agents("err-disconnect200", 102))


def _agents(scenario: str, frame_type: int) -> list[str]:
    return words(frames_to_haproxy("3.2.0", scenario), frame_type)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_notify_with_every_type(version: str) -> None:
    lines = words(frames_from_haproxy(version, "types"), 3)
    for line in (
        '  message "all", 27 arguments',
        '    "ip" = IPV4 127.0.0.1',
        '    "ip6" = IPV6 2001:db8::1',
        '    "f" = BOOL false',
        '    "neg" = INT64 -5',
        '    "utf" = STRING "h\\xc3\\xa9"',
        '    "null" = NULL',
        '    "bin" = BINARY 00ff01',
        '    (no name) = STRING "anon"',
    ):
        assert line in lines


def test_the_agents_actions_in_words() -> None:
    assert _agents("err-scopes", 103)[1:] == [
        '  set-var txn "v" = STRING "t"',
        '  set-var sess "v" = STRING "s"',
        '  set-var req "v" = STRING "rq"',
        '  set-var res "v" = STRING "rs"',
        '  set-var proc "p" = STRING "proc"',
        '  set-var txn "w" = STRING "w"',
    ]
    assert _agents("types", 103)[1:] == ['  unset-var txn "z"', '  unset-var txn "z"']
    assert _agents("seed-chain-7001-ok", 103)[1:] == ["  no actions"]


@pytest.mark.parametrize(
    ("scenario", "before", "fault"),
    [
        ("err-mal-trunc", '  set-var txn "v" = STRING "ok"', "the frame of 25 bytes ends in the middle of a field"),
        ("err-mal-action9", '  set-var txn "v" = STRING "ok"', "unknown action 9"),
        ("err-scope9", '  set-var txn "v" = STRING "ok"', "unknown scope 9"),
        ("err-mal-nargs", "ACK stream", "NB-ARGS is 2, expected 3"),
        ("err-t-bad-type12", "ACK stream", "unknown data type 12"),
    ],
)
def test_a_broken_frame_is_described_up_to_its_fault(scenario: str, before: str, fault: str) -> None:
    lines = _agents(scenario, 103)
    assert any(line.startswith(before) for line in lines)
    assert lines[-1] == f"  ! {fault}"


def test_fragments_in_words() -> None:
    frames = frames_from_haproxy("2.6.12", "frag-256-cap")
    first = words(frames, 3)
    assert first[0] == "NOTIFY stream 1 frame 1 no FIN, 231 bytes"
    assert first[-1] == "  … goes on in the next fragment"
    assert words(frames, 0)[0] == "UNSET stream 1 frame 1 no FIN, 231 bytes"


def test_long_values_are_cut_and_counted() -> None:
    assert _agents("err-big-ack-10k", 103)[1].endswith('b" … 9800 more bytes')


@pytest.mark.parametrize(("frame", "first"), [(b"", "a frame of 0 bytes"), (b"\x4d", "frame type 77, 1 bytes")])
def test_hardly_a_frame(frame: bytes, first: str) -> None:
    lines = describe_frame(frame).splitlines()
    assert lines[0] == first
    assert lines[1].startswith("  ! the frame of")


def test_nothing_unprintable_reaches_the_terminal() -> None:
    for version, scenario in every_scenario():
        for line in lines_of(version, scenario):
            assert describe_frame(line.frame[4:]).replace("\n", "").isprintable()


@given(st.binary(max_size=80))
def test_any_bytes_have_a_description(frame: bytes) -> None:
    assert describe_frame(frame)


# Input

ACK = "67000000010101"


@pytest.mark.parametrize(
    "text",
    [ACK, f"00000007{ACK}", "67 00 00 00 01 01 01", "0x67000000010101", "67:00:00:00:01:01:01", f"\n# an ACK\n{ACK}\n"],
)
def test_hex_with_and_without_the_length_field(text: str) -> None:
    (line,) = parse_capture(text.splitlines())
    assert (line.frame.hex(), line.missing, line.direction) == (ACK, 0, "")


def test_several_frames_on_a_line() -> None:
    frames = list(parse_capture([f"00000007{ACK}" * 2 + "00000009" + ACK]))
    assert [(line.frame.hex(), line.missing) for line in frames] == [(ACK, 0), (ACK, 0), (ACK, 2)]


def test_an_unset_frame_is_not_taken_for_a_length() -> None:
    for flags in ("00000000", "00000001", "00000003"):
        (line,) = parse_capture(["00" + flags + "0101aa"])
        assert line.frame.hex() == "00" + flags + "0101aa"


def test_a_line_of_a_capture() -> None:
    record = {"t_offset_ms": 1.5, "conn": "A1", "direction": "A>H", "hex": f"00000007{ACK}"}
    opened = {"t_offset_ms": 0.5, "conn": "A1", "direction": "open", "event": "open", "hex": ""}
    assert list(parse_capture([json.dumps(opened), json.dumps(record)])) == [
        CaptureLine(1, b"", 0.5, "A1", "open", "open"),
        CaptureLine(2, bytes.fromhex(ACK), 1.5, "A1", "A>H"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "hexadecimal"),
        ("abc", "hexadecimal"),
        ("{", "JSON"),
        ('{"conn": "A1"}', "'hex'"),
        ('{"hex": "0"}', "hexadecimal"),
        ('{"hex": ' + "[" * 100_000, "not a line of a capture"),
        ('{"hex": "", "t_offset_ms": "soon"}', "not a line of a capture"),
    ],
)
def test_a_line_that_is_neither(text: str, reason: str) -> None:
    with pytest.raises(CaptureError, match=reason) as caught:
        list(parse_capture([ACK, text]))
    assert caught.value.line == 2
    assert str(caught.value).startswith("line 2: ")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(CaptureError):
        assert all(isinstance(line, CaptureLine) for line in parse_capture(text.splitlines()))
