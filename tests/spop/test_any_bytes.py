"""For any bytes in any chunking the outcome is an event or our error: the fuzz target's own check, on what
HAProxy sent and on what becomes of it when it is damaged."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fuzz_connection
from haproxy_telemetry.spop import AgentConnection, SpopError
from haproxy_telemetry.spop.frames import parse_header, payload_position
from spop.captures import GOLDEN, VERSIONS, frames_from_haproxy

SCENARIOS = ("get200", "types", "frag-256-cap", "seed-chain-7001-ok", "err-hello-v1.0", "idle", "hc-spop-check")
FRAMES = sorted(
    {frame for version in VERSIONS[:3:2] for scenario in SCENARIOS for frame in frames_from_haproxy(version, scenario)}
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Frames of HAProxy in any order, then cut, changed, repeated in places."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(FRAMES), max_size=6))))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 8)))
        data[start:stop] = draw(st.binary(max_size=8))
    return draw(st.binary(min_size=2, max_size=2)) + bytes(data)


@given(damaged())
def test_damaged_frames(data: bytes) -> None:
    fuzz_connection.check(data)


@given(st.binary(max_size=600))
@example(b"\x01\x00\x00\x00\x00\x00")
@example(b"\x01\x00\xff\xff\xff\xff")
@example(b"\x01\x00\x00\x00\x00\x07\x03\x00\x00\x00\x01\x01\x01\x00\x00\x00\x00")
@example(b"\x01\x00\x00\x00\x00\x10\x03\x00\x00\x00\x01" + b"\xff" * 11)
def test_any_bytes(data: bytes) -> None:
    fuzz_connection.check(data)


@given(header=st.binary(min_size=7, max_size=30), size=st.integers(1, 60))
def test_any_frame_after_the_hello(header: bytes, size: int) -> None:
    """Well-framed, so that more than the length is looked at."""
    fuzz_connection.check(bytes((1, size)) + len(header).to_bytes(4, "big") + header)


@given(st.binary(max_size=30))
@example(b"\x03\x00\x00\x00\x01\xef\xef")
@example(b"\x03\x00\x00\x00\x01\xf0\x00\xf0\x00")
def test_where_the_payload_starts_is_read_as_with_the_whole_header(frame: bytes) -> None:
    def outcome(read: Callable[[bytes], int]) -> int | type[Exception]:
        try:
            return read(frame)
        except (IndexError, SpopError) as error:
            return type(error)

    assert outcome(payload_position) == outcome(lambda frame: parse_header(frame).payload_at)


def test_every_seed_holds() -> None:
    seeds = list(fuzz_connection.seeds(GOLDEN))
    assert len(seeds) > 400
    for seed in seeds:
        fuzz_connection.check(seed)


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that acknowledges twice is what it must notice."""

    def twice(self: AgentConnection) -> bytes:
        return original(self) * 2

    original = AgentConnection.data_to_send
    monkeypatch.setattr(AgentConnection, "data_to_send", twice)
    with pytest.raises(AssertionError):
        fuzz_connection.check(b"\x01\x00" + frames_from_haproxy("2.6.12", "get200")[1])
